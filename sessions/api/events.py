"""API: a resumable stream of a turn's events, and waiting for the end of a turn."""

from __future__ import annotations

import asyncio
import json
import logging
import time
import uuid
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Iterable, Iterator, Sequence
from typing import Any

from django.db.models import F
from django.http import HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.utils import timezone
from drf_spectacular.utils import OpenApiResponse
from rest_framework.request import Request

from accounts.access import signed_in
from accounts.api.authentication import account_suspended_error
from sessions.access import access_turn
from sessions.api.base import AsyncAPIView
from sessions.api.open_streams import check_streams, stream_counted
from sessions.api.turn_schema import STREAM
from sessions.events.entries import Entry, entry_of
from sessions.events.eventlog import event_log
from sessions.live.database import UNREACHABLE, read_in_request
from sessions.live.stopping import stopping
from sessions.metrics import EVENT_SNAPSHOTS
from sessions.models import Turn
from sessions.selectors.turns import terminal_fields, turn_json
from web.api.schema import header, operation, query
from web.errors import PantheonError
from web.rfc3339 import rfc3339

log = logging.getLogger(__name__)

LOOK_EVERY_S = 2.0
"""How often a reader without events checks the turn's row, so that a lost announcement cannot block it forever."""

KEEP_ALIVE_S = 15.0
PIECE_CHARS = 64 * 1024
"""Text of small events that is sent at once."""


class TurnEventsView(AsyncAPIView):
    """`Last-Event-ID` or `?after=` resumes; without them the stream starts at the first event."""

    @operation(
        "Stream the events of a turn, from any position to its end",
        parameters=[
            header("Last-Event-ID", "`id` of the last event received.", int),
            query("after", "Same as `Last-Event-ID`, for clients that cannot set the header.", int),
        ],
        answers={
            (200, "text/event-stream"): STREAM,
            204: OpenApiResponse(description="The turn has ended, and there are no later events."),
        },
    )
    def get(self, request: Request, turn_id: str) -> HttpResponseBase:
        after = resume_point(request)
        turn = access_turn(signed_in(request), turn_id)
        if turn.is_final and turn.last_event_seq is not None and after >= turn.last_event_seq:
            return HttpResponse(status=204)
        check_streams(turn.user_id)
        stream = event_stream(turn, after=after)
        # A HEAD request gets the headers at once, without waiting for the turn's end.
        return HttpResponse(headers=stream.headers) if request.method == "HEAD" else stream


def resume_point(request: Request) -> int:
    """Return the seq after which the reader wants events. Raises `invalid_parameter`."""
    text = request.headers.get("Last-Event-ID") or request.query_params.get("after") or "0"
    if not (text.isascii() and text.isdigit() and len(text) <= 18):
        raise PantheonError(
            "invalid_parameter", "after and Last-Event-ID must be the id of an event.", {"parameter": "after"}
        )
    return int(text)


def event_stream(turn: Turn, *, after: int, headers: dict[str, str] | None = None) -> StreamingHttpResponse:
    """Stream the turn's events after a seq, then the live tail, up to the terminal event."""
    response = StreamingHttpResponse(
        stream_events(turn.pk, after, user_id=turn.user_id, is_running=not turn.is_final),
        content_type="text/event-stream",
        headers={"X-Accel-Buffering": "no", **(headers or {})},
    )
    response["Cache-Control"] = "no-store"
    return response


async def stream_events(
    turn_id: uuid.UUID, after: int, *, user_id: uuid.UUID, is_running: bool = False
) -> AsyncGenerator[bytes]:
    """Yield `read_batches` in wire format, with keep-alive comments; counted as an open stream of the user."""
    with stream_counted(user_id):
        yield b"retry: 2000\n\n"
        spoke_at = time.monotonic()
        try:
            async for entries in read_batches(turn_id, after, is_running=is_running):
                if entries:
                    for piece in wire_pieces(entries):
                        yield piece
                    spoke_at = time.monotonic()
                elif time.monotonic() - spoke_at >= KEEP_ALIVE_S:
                    yield b": keep-alive\n\n"
                    spoke_at = time.monotonic()
        except PantheonError as error:
            # A client that resumes gets the error as its response.
            log.info("an event stream broke off: %s", error.code)


def wire_pieces(entries: Iterable[Entry]) -> Iterator[bytes]:
    """Yield events in wire format, small ones together: a client that reads slowly keeps one piece in memory."""
    texts: list[str] = []
    size = 0
    for entry in entries:
        texts.append(f"id: {entry.seq}\ndata: {entry.data}\n\n")
        size += len(texts[-1])
        if size >= PIECE_CHARS:
            piece = "".join(texts).encode()
            texts, size = [], 0  # before the client reads: they may be long
            yield piece
    if texts:
        yield "".join(texts).encode()


async def read_events(
    turn_id: uuid.UUID, after: int, *, is_running: bool = False
) -> AsyncIterator[Entry | None]:
    """Yield the events of `read_batches` one by one; None if none arrived for a while."""
    async for entries in read_batches(turn_id, after, is_running=is_running):
        if not entries:
            yield None
        for entry in entries:
            yield entry


async def read_batches(
    turn_id: uuid.UUID, after: int, *, is_running: bool = False
) -> AsyncIterator[Sequence[Entry]]:
    """Yield batches of events after a seq, each event once and in order, ending with the terminal one.

    An empty batch means that none arrived for a while. If the log lacks the requested events, one `turn.snapshot`
    replaces them. A caller that has just checked that the turn runs saves its readers the first check of the row.
    Raises `account_suspended` if the user is suspended and the turn, which ends for that reason, has not ended yet.
    """
    looked, row_was_ahead = is_running, False
    while not stopping():
        entries = await event_log.after(turn_id, after)
        if entries is None:
            snapshot = await known(snapshot_entry(turn_id, await event_log.last_seq(turn_id)))
            if snapshot is None:
                yield ()
                await asyncio.sleep(LOOK_EVERY_S)
                continue
            if not is_final_snapshot(snapshot):
                EVENT_SNAPSHOTS.inc()
            entries = [snapshot]
        if entries:
            yield entries
            if any(entry.is_terminal or is_final_snapshot(entry) for entry in entries):
                return
            after = max(after, *(entry.seq for entry in entries))
            continue
        if looked and await event_log.wait(turn_id, after, LOOK_EVERY_S):
            continue
        final = await known(final_entry(turn_id, after))
        if final is not None:
            if not row_was_ahead and await event_log.last_seq(turn_id):
                # The row is final before the last events arrive: wait one more interval for them.
                row_was_ahead = True
                await event_log.wait(turn_id, after, LOOK_EVERY_S)
                continue
            yield (final,)
            return
        if looked:
            yield ()
        looked = True


async def known(reading: Awaitable[Entry | None]) -> Entry | None:
    """Await a check of the turn's row; None while the database is down, since live events may still arrive."""
    try:
        return await reading
    except UNREACHABLE as error:
        log.debug("a reader could not check its turn: %s", error)
        return None


def is_final_snapshot(entry: Entry) -> bool:
    return entry.type == "turn.snapshot" and json.loads(entry.data)["turn"]["status"] in Turn.FINAL


async def final_entry(turn_id: uuid.UUID, after: int) -> Entry | None:
    """Return the terminal event of a turn from its row, None while it runs. Raises `account_suspended`.

    A reader that misses more than the terminal event gets a snapshot: the end alone would skip the text before it.
    """
    turns = Turn.objects.filter(pk=turn_id).annotate(of_active_user=F("user__is_active"))
    turn = await read_in_request(turns.first)
    if turn is None or not turn.is_final:
        if turn is not None and not turn.of_active_user:
            raise account_suspended_error()
        return None
    seq = turn.last_event_seq or after + 1
    if after == 0 or after < seq - 1:
        return await snapshot_entry(turn_id, seq)
    fields = await read_in_request(terminal_fields, turn_id)
    return entry_now(turn_id, seq, f"turn.{turn.status}", fields)


async def snapshot_entry(turn_id: uuid.UUID, seq: int) -> Entry:
    """Return a snapshot of the turn, under the seq of the newest event that it replaces."""
    turn = await read_in_request(Turn.objects.get, pk=turn_id)
    if turn.is_final:
        seq = max(seq, turn.last_event_seq or 0)
    return entry_now(
        turn_id, seq, "turn.snapshot", {"turn": await read_in_request(turn_json, turn, with_text=True)}
    )


def entry_now(turn_id: uuid.UUID, seq: int, kind: str, fields: dict[str, Any]) -> Entry:
    return entry_of(seq, {"type": kind, "turn_id": str(turn_id), "at": rfc3339(timezone.now()), **fields})


async def wait_until_final(turn_id: uuid.UUID, timeout_s: float | None) -> bool:
    """Return whether the turn ended in time (None: no limit, or until this process stops)."""
    try:
        async with asyncio.timeout(timeout_s):
            async for entry in read_events(turn_id, 0):
                if entry is not None and (entry.is_terminal or is_final_snapshot(entry)):
                    return True
    except TimeoutError:
        return False
    return False
