"""API: sessions and their messages."""

from __future__ import annotations

from typing import Any

from django.db.models.functions import Length
from drf_spectacular.utils import extend_schema_view
from rest_framework import serializers
from rest_framework.generics import ListAPIView
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.access import signed_in
from accounts.api.base import ApiView
from accounts.models import ApiToken
from sessions.access import access_agent, access_room, access_session
from sessions.api.sized_pages import how_many
from sessions.models import ChatSession, Message
from sessions.selectors.message_files import list_with_files
from sessions.selectors.turn_shapes import MessageShape
from sessions.services.chats import MOST_PINS, session_create, session_delete, session_pin, session_rename
from web.api.schema import operation, page_of, query
from web.errors import PantheonError

MESSAGES_PER_PAGE = 50
MAX_MESSAGES_PER_PAGE = 200


class SessionSerializer(serializers.ModelSerializer[ChatSession]):
    room_id = serializers.UUIDField(
        read_only=True, allow_null=True, help_text="The room; null: a chat with an agent."
    )
    agent_id = serializers.UUIDField(
        read_only=True, allow_null=True, help_text="The agent of a chat; null: a room."
    )
    title = serializers.CharField(
        max_length=200, allow_blank=True, required=False, help_text="Empty: taken from the first message."
    )

    pinned = serializers.BooleanField(
        source="is_pinned", read_only=True, help_text="Pinned to the top of the list of sessions."
    )

    class Meta:
        model = ChatSession
        fields = ("id", "room_id", "agent_id", "title", "pinned", "created_at", "updated_at")
        read_only_fields = ("id", "created_at", "updated_at")
        extra_kwargs = {
            "id": {"help_text": "The session."},
            "created_at": {"help_text": "RFC 3339, UTC."},
            "updated_at": {"help_text": "Time of the last turn or change. RFC 3339, UTC."},
        }


class SessionChangeSerializer(serializers.Serializer[ChatSession]):
    title = serializers.CharField(
        max_length=200,
        allow_blank=True,
        required=False,
        help_text="Empty: taken from the next message.",
    )
    pinned = serializers.BooleanField(
        required=False, help_text=f"Pinned to the top of the list of sessions; at most {MOST_PINS} are."
    )


@extend_schema_view(get=operation("List the sessions of a room or an agent"))
class SessionsView(ApiView, ListAPIView[ChatSession]):
    """The sessions of a room or an agent."""

    serializer_class = SessionSerializer
    write_scope = ApiToken.Scope.CHAT

    def place(self) -> dict[str, Any]:
        raise NotImplementedError

    def get_queryset(self) -> Any:
        return ChatSession.objects.of(signed_in(self.request)).listed().filter(**self.place())

    @operation("Create a session", request=SessionSerializer, answers={201: SessionSerializer})
    def post(self, request: Request, **kwargs: str) -> Response:
        place = self.place()
        data = SessionSerializer(data=request.data)
        data.is_valid(raise_exception=True)
        session = session_create(owner=signed_in(request), **place, **data.validated_data)
        return Response(SessionSerializer(session).data, status=201)


class RoomSessionsView(SessionsView):
    def place(self) -> dict[str, Any]:
        return {"room": access_room(signed_in(self.request), self.kwargs["room_id"])}


class AgentSessionsView(SessionsView):
    def place(self) -> dict[str, Any]:
        return {"agent": access_agent(signed_in(self.request), self.kwargs["agent_id"])}


class SessionView(ApiView):
    write_scope = ApiToken.Scope.CHAT

    @operation("Read a session", answers=SessionSerializer)
    def get(self, request: Request, session_id: str) -> Response:
        return Response(SessionSerializer(access_session(signed_in(request), session_id)).data)

    @operation("Rename or pin a session", request=SessionChangeSerializer, answers=SessionSerializer)
    def patch(self, request: Request, session_id: str) -> Response:
        session = access_session(signed_in(request), session_id)
        data = SessionChangeSerializer(session, data=request.data, partial=True)
        data.is_valid(raise_exception=True)
        change = data.validated_data
        if "pinned" in change:
            session_pin(session=session, pinned=change["pinned"])
        if "title" in change:
            session = session_rename(session=session, title=change["title"])
        return Response(SessionSerializer(session).data)

    @operation("Delete a session; its cost stays in the ledger", answers={204: None})
    def delete(self, request: Request, session_id: str) -> Response:
        session_delete(session=access_session(signed_in(request), session_id))
        return Response(status=204)


class MessagesView(ApiView):
    """Newest first; `?before_seq=` pages back. Answers of replaced turns only with `?all_versions=true`."""

    @operation(
        "List the messages of a session, newest first",
        parameters=[
            query("limit", "Page size, 1 to 200; default 50.", int),
            query("before_seq", "Only messages with a lower `seq`.", int),
            query("all_versions", "Include the answers of replaced turns.", bool),
        ],
        answers=page_of("MessagePage", MessageShape),
    )
    def get(self, request: Request, session_id: str) -> Response:
        session = access_session(signed_in(request), session_id)
        limit = whole_number(request, "limit", MESSAGES_PER_PAGE, MAX_MESSAGES_PER_PAGE)
        messages = Message.objects.filter(session=session).order_by("-seq")
        if "before_seq" in request.query_params:
            messages = messages.filter(seq__lt=whole_number(request, "before_seq", 1, 2**31 - 1))
        if not flag(request, "all_versions"):
            messages = messages.filter(turn__replaced_by__isnull=True)
        # Sizes first: a page of the longest messages would be 20 MB.
        sizes = messages.annotate(size=Length("text")).values_list("size", flat=True)
        limit = min(limit, how_many(sizes[:limit]))
        page = list_with_files(messages[: limit + 1])
        more = page[limit - 1].seq if len(page) > limit else None
        url = request.build_absolute_uri(request.path)
        query = request.query_params.copy()
        if more is not None:
            query["before_seq"] = str(more)
        return Response(
            {
                "next": f"{url}?{query.urlencode()}" if more is not None else None,
                "previous": None,
                "results": MessageShape.render_all(page[:limit]),
            }
        )


def whole_number(request: Request, name: str, default: int, most: int) -> int:
    """Parse a query parameter as an integer from 1 to `most`. Raises `invalid_parameter`."""
    text = request.query_params.get(name)
    if text is None:
        return default
    if not (text.isascii() and text.isdigit() and len(text) <= 10 and 1 <= int(text) <= most):
        raise PantheonError(
            "invalid_parameter", f"{name} must be a whole number from 1 to {most}.", {"parameter": name}
        )
    return int(text)


def flag(request: Request, name: str) -> bool:
    """Parse a query parameter as true or false. Raises `invalid_parameter`."""
    text = request.query_params.get(name, "false").lower()
    if text not in ("true", "false", "1", "0"):
        raise PantheonError("invalid_parameter", f"{name} must be true or false.", {"parameter": name})
    return text in ("true", "1")
