"""`GET /v1/models` and `POST /v1/chat/completions`, for clients of OpenAI's API."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Any

from django.http import HttpRequest, HttpResponseBase
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.access import signed_in
from accounts.models import ApiToken
from sessions.api.base import AsyncAPIView, LimitedAsTurns
from sessions.api.events import wait_until_final
from sessions.api.openai_compatible.answers import (
    CompatibleModel,
    CompatibleModelShape,
    CompatibleModelsShape,
    Completion,
    CompletionShape,
)
from sessions.api.openai_compatible.completing import AGENT, ROOM, Completing, place_of
from sessions.api.openai_compatible.errors import openai_error
from sessions.api.openai_compatible.parsing import CompletionParser, SentFiles
from sessions.api.openai_compatible.requests import CompletionRequest
from sessions.api.openai_compatible.schema import (
    COMPLETION_ANSWERS,
    COMPLETION_REQUEST,
    OPENAI_ERROR,
)
from sessions.api.openai_compatible.streaming import completion_stream, error_of
from sessions.api.turn_answers import headers_of
from sessions.api.turn_schema import PLAN_ERRORS, PROVIDER_ERRORS, WRITTEN
from sessions.live.database import read_in_request
from sessions.models import Agent, Room, Turn
from sessions.selectors.room_names import room_names
from sessions.selectors.turns import turn_json_by_id
from sessions.services.accept_once import AcceptedTurn
from web.api.schema import operation
from web.errors import PantheonError


class OpenAiView(AsyncAPIView):
    """A view whose errors have OpenAI's shape."""

    error_component = OPENAI_ERROR

    def handle_exception(self, exc: Exception) -> Response:
        response = super().handle_exception(exc)
        error = response.data["error"]
        response.data = openai_error(error, response.status_code)
        if error["code"] == "idempotency_mismatch":
            # OpenAI's clients retry after a 409; this request would be refused again.
            response["x-should-retry"] = "false"
        return response


class CompatibleModelsView(OpenAiView):
    """The user's rooms and agents as models: the newest of each, up to the maximum per person."""

    @operation("List my rooms and agents as models", answers=CompatibleModelsShape)
    def get(self, request: Request) -> Response:
        user = signed_in(request)
        rooms = Room.objects.of(user).defer("goal")[: Room.MOST_PER_PERSON]
        agents = Agent.objects.of(user).defer("role_prompt")[: Agent.MOST_PER_PERSON]
        names = room_names(rooms)
        models = [
            *(CompatibleModel(f"{ROOM}{names[room.pk]}", room, user) for room in rooms),
            *(CompatibleModel(f"{AGENT}{agent.key}", agent, user) for agent in agents),
        ]
        return Response(CompatibleModelsShape.render(models))


class CompatibleModelView(OpenAiView):
    """A room or agent, by its name as a model."""

    @extend_schema(operation_id="v1_model_retrieve")
    @operation(
        "Read one of my rooms or agents as a model", answers=CompatibleModelShape, errors=["not_found"]
    )
    def get(self, request: Request, model: str) -> Response:
        user = signed_in(request)
        return Response(CompatibleModelShape.render(CompatibleModel(model, place_of(user, model), user)))


class CompletionsView(LimitedAsTurns, OpenAiView):
    """Each request is a turn in a new session, which lists do not show."""

    write_scope = ApiToken.Scope.CHAT
    parser_classes = [CompletionParser]

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.sent_files = SentFiles()

    async def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:  # type: ignore[override]
        try:
            return await super().dispatch(request, *args, **kwargs)
        finally:
            self.sent_files.close()

    @operation(
        "Send messages to a room or an agent in OpenAI's format",
        request={"application/json": COMPLETION_REQUEST},
        parameters=WRITTEN,
        answers=COMPLETION_ANSWERS,
        errors=["not_found", "idempotency_mismatch", "budget_exceeded", *PLAN_ERRORS, *PROVIDER_ERRORS],
    )
    def post(self, request: Request) -> Awaitable[HttpResponseBase]:
        completing = Completing(request, self.sent_files)
        if completing.brings_files():
            return self._answer_with_files(completing)
        accepted = completing.accept()
        self.sent_files.close()
        return self._answer(completing.asked(), accepted)

    async def _answer_with_files(self, completing: Completing) -> HttpResponseBase:
        stored = await completing.files_stored()
        self.sent_files.close()
        accepted = await read_in_request(completing.accept, stored)
        return await self._answer(completing.asked(), accepted)

    async def _answer(self, asked: CompletionRequest, accepted: AcceptedTurn) -> HttpResponseBase:
        turn, headers = accepted.turn, headers_of(accepted)
        if asked.stream:
            return completion_stream(
                turn, model=asked.model, include_usage=asked.include_usage, headers=headers
            )
        await wait_until_final(turn.pk, None)
        body = await read_in_request(turn_json_by_id, turn.pk)
        if (error := error_of(body)) is not None:
            raise with_headers(error, body, headers)
        answer = Completion(body, asked.model, int(turn.created_at.timestamp()))
        return Response(CompletionShape.render(answer), headers=headers)


def with_headers(error: PantheonError, turn: dict[str, Any], headers: dict[str, str]) -> PantheonError:
    """Add headers to an error: the turn's URL, and no retry if the turn had costs or still runs."""
    if turn["usage"]["calls"] or turn["status"] in Turn.ACTIVE:
        headers = {**headers, "x-should-retry": "false"}
    error.headers = headers
    return error
