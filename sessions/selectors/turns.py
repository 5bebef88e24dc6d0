"""Turns in the API's shape, read in a fixed number of queries."""

from __future__ import annotations

import uuid
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

from billing.models import UsageEvent
from billing.reports.corrections import with_corrections
from sessions.models import Call, Message, Turn
from sessions.selectors.message_files import list_with_files
from sessions.selectors.turn_shapes import FailureShape, TurnParts, TurnShape
from sessions.selectors.usage import usage_of_events

AT_ONCE = 1000
"""Ids per statement: databases limit the number of parameters."""


def turn_json(turn: Turn, *, with_text: bool = False) -> dict[str, Any]:
    """Return one turn in the API's shape; `with_text` adds to each step its text so far."""
    return turns_json([turn], with_text=with_text)[0]


def turn_json_by_id(turn_id: uuid.UUID, *, with_text: bool = False) -> dict[str, Any]:
    return turn_json(Turn.objects.get(pk=turn_id), with_text=with_text)


def turns_gone(turn_ids: Sequence[uuid.UUID]) -> set[uuid.UUID]:
    """Return the turns that no longer have a row."""
    gone = set(turn_ids)
    for start in range(0, len(turn_ids), AT_ONCE):
        some = turn_ids[start : start + AT_ONCE]
        gone.difference_update(Turn.objects.filter(pk__in=some).order_by().values_list("pk", flat=True))
    return gone


def turns_json(turns: Sequence[Turn], *, with_text: bool = False) -> list[dict[str, Any]]:
    """Return turns in the API's shape, with three queries, and one more if messages brought files."""
    ids = [turn.pk for turn in turns]
    messages = grouped(list_with_files(Message.objects.filter(turn_id__in=ids).order_by("seq")))
    attempts = Call.objects.filter(turn_id__in=ids).select_related("model").order_by("number")
    calls = grouped(attempts if with_text else attempts.defer("text"))
    events = grouped(with_corrections(UsageEvent.objects.filter(turn_id__in=ids)))
    rows = [TurnParts(turn, messages[turn.pk], calls[turn.pk], events[turn.pk]) for turn in turns]
    return [json_with_text(row) if with_text else TurnShape.render(row) for row in rows]


def grouped(rows: Iterable[Any]) -> dict[uuid.UUID, list[Any]]:
    groups: dict[uuid.UUID, list[Any]] = defaultdict(list)
    for row in rows:
        groups[row.turn_id].append(row)
    return groups


def json_with_text(row: TurnParts) -> dict[str, Any]:
    """Return a turn for a snapshot: each step has its text so far, which only readers of events need."""
    turn: dict[str, Any] = TurnShape.render(row)
    texts = {message.pk: message.text for message in row.messages}
    for step, call in zip(turn["steps"], row.calls, strict=True):
        step["text"] = call.text or texts.get(call.step_id, "")
    return turn


def terminal_fields(turn_id: uuid.UUID) -> dict[str, Any]:
    """Return the fields of a final turn's terminal event."""
    return terminal_fields_of(Turn.objects.get(pk=turn_id), UsageEvent.objects.filter(turn_id=turn_id))


def terminal_fields_of(turn: Turn, events: Iterable[UsageEvent]) -> dict[str, Any]:
    """Return the same from a turn and its events that are already loaded or just written."""
    usage = usage_of_events(events)
    return {
        "status": turn.status,
        "stop_reason": turn.stop_reason,
        "usage": usage,
        "cost_usd": usage["cost_usd"],
        "error": FailureShape.render(turn.error),
    }
