"""A turn's events as chunks of a streamed completion. Closing the stream does not stop the turn."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator
from typing import Any

from django.http import StreamingHttpResponse

from sessions.api.events import KEEP_ALIVE_S, read_events
from sessions.api.open_streams import stream_counted
from sessions.api.openai_compatible.answers import completion_id, finish_reason, usage_of
from sessions.api.openai_compatible.composing import Composer
from sessions.api.openai_compatible.errors import openai_error
from sessions.api.turn_answers import turn_error
from sessions.live.database import read_in_request
from sessions.models import Turn
from sessions.selectors.turns import turn_json_by_id
from web.errors import PantheonError

DONE = "data: [DONE]\n\n"


def completion_stream(
    turn: Turn, *, model: str, include_usage: bool, headers: dict[str, str]
) -> StreamingHttpResponse:
    """Return a completion as server-sent events."""
    response = StreamingHttpResponse(
        stream_chunks(turn, model=model, include_usage=include_usage),
        content_type="text/event-stream",
        headers={"X-Accel-Buffering": "no", **headers},
    )
    response["Cache-Control"] = "no-store"
    return response


async def stream_chunks(turn: Turn, *, model: str, include_usage: bool) -> AsyncIterator[str]:
    """Yield the chunks of a turn, then `[DONE]`; an error is the last chunk before it."""
    chunks = Chunks(turn, model=model, include_usage=include_usage)
    composer = Composer(turn.mode_spec, unknown_models=unknown_models(turn))
    with stream_counted(turn.user_id):
        yield chunks.delta(role="assistant", content="")
        try:
            async for chunk in stream_words(turn, chunks, composer):
                yield chunk
            body = await read_in_request(turn_json_by_id, turn.pk)
            if (error := error_of(body)) is not None:
                raise error
        except PantheonError as error:
            yield wire(openai_error(error.as_dict()["error"], error.http_status))
        else:
            if rest := composer.rest(body):
                yield chunks.delta(content=rest)
            yield chunks.finish(finish_reason(body))
            if include_usage:
                yield chunks.usage(usage_of(body))
        yield DONE


def unknown_models(turn: Turn) -> set[str]:
    """Return the aliases of the turn's models of which it is unknown whether their text begins with a thought."""
    models = [*(agent["model"] for agent in turn.snapshot["roster"]), turn.snapshot["manager"]]
    return {model["alias"] for model in models if model and model.get("opens_in_thought", False) is None}


async def stream_words(turn: Turn, chunks: Chunks, composer: Composer) -> AsyncIterator[str]:
    """Yield the chunks of a turn's text until it ends, with keep-alive comments."""
    spoke_at = time.monotonic()
    async for entry in read_events(turn.pk, 0, is_running=not turn.is_final):
        for channel, text in composer.feed(json.loads(entry.data)) if entry is not None else ():
            yield chunks.delta(**{channel: text})
            spoke_at = time.monotonic()
        if time.monotonic() - spoke_at >= KEEP_ALIVE_S:
            yield ": keep-alive\n\n"
            spoke_at = time.monotonic()


def error_of(body: dict[str, Any]) -> PantheonError | None:
    """Return the error if there is no answer, else None."""
    if body["status"] == Turn.Status.FAILED:
        return turn_error(body, {})
    return still_running(body["id"]) if body["status"] in Turn.ACTIVE else None


def still_running(turn_id: str) -> PantheonError:
    """Return the error for a turn that continues elsewhere because this server stops."""
    message = (
        f"The server is being restarted. The turn continues: GET /api/v1/turns/{turn_id} has its answer."
    )
    return PantheonError("unavailable", message, {"turn_id": turn_id})


class Chunks:
    """The chunks of one completion."""

    def __init__(self, turn: Turn, *, model: str, include_usage: bool) -> None:
        self._head = {
            "id": completion_id(turn.pk),
            "object": "chat.completion.chunk",
            "created": int(turn.created_at.timestamp()),
            "model": model,
        }
        self._tail = {"usage": None} if include_usage else {}

    def delta(self, **fields: str) -> str:
        return self._choice(fields, None)

    def finish(self, reason: str) -> str:
        return self._choice({}, reason)

    def usage(self, usage: dict[str, Any]) -> str:
        """Return the chunk for `include_usage`, which follows the last choice."""
        return wire({**self._head, "choices": [], "usage": usage})

    def _choice(self, delta: dict[str, str], reason: str | None) -> str:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": reason}
        return wire({**self._head, "choices": [choice], **self._tail})


def wire(data: dict[str, Any]) -> str:
    return f"data: {json.dumps(data, ensure_ascii=False, separators=(',', ':'))}\n\n"
