"""Turns in the API's shape, read in a fixed number of queries."""

from __future__ import annotations

import uuid
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

from billing.fields import usd_text
from billing.models import UsageEvent
from billing.reports.corrections import with_corrections
from orchestration.engine.specs import UsageReport
from sessions.models import Call, Message, Turn
from sessions.selectors.usage import usage_of_buckets, usage_of_events, usage_of_report
from web.rfc3339 import rfc3339

AT_ONCE = 1000
"""Ids per statement: databases limit the number of parameters."""


def turn_json(turn: Turn, *, with_text: bool = False) -> dict[str, Any]:
    """Return one turn in the API's shape; `with_text` adds to each step its text so far."""
    return turns_json([turn], with_text=with_text)[0]


def turn_json_by_id(turn_id: uuid.UUID, *, with_text: bool = False) -> dict[str, Any]:
    return turn_json(Turn.objects.get(pk=turn_id), with_text=with_text)


def turns_gone(turn_ids: Sequence[uuid.UUID]) -> set[uuid.UUID]:
    """Return those of these turns that have no row any more."""
    gone = set(turn_ids)
    for start in range(0, len(turn_ids), AT_ONCE):
        some = turn_ids[start : start + AT_ONCE]
        gone.difference_update(Turn.objects.filter(pk__in=some).order_by().values_list("pk", flat=True))
    return gone


def turns_json(turns: Sequence[Turn], *, with_text: bool = False) -> list[dict[str, Any]]:
    """Return turns in the API's shape, with three queries."""
    ids = [turn.pk for turn in turns]
    messages = grouped(Message.objects.filter(turn_id__in=ids).order_by("seq"))
    attempts = Call.objects.filter(turn_id__in=ids).select_related("model").order_by("number")
    calls = grouped(attempts if with_text else attempts.defer("text"))
    events = grouped(with_corrections(UsageEvent.objects.filter(turn_id__in=ids)))
    return [_turn_json(turn, messages[turn.pk], calls[turn.pk], events[turn.pk], with_text) for turn in turns]


def grouped(rows: Iterable[Any]) -> dict[uuid.UUID, list[Any]]:
    groups: dict[uuid.UUID, list[Any]] = defaultdict(list)
    for row in rows:
        groups[row.turn_id].append(row)
    return groups


def _turn_json(
    turn: Turn,
    messages: Sequence[Message],
    calls: Sequence[Call],
    events: Sequence[UsageEvent],
    with_text: bool,
) -> dict[str, Any]:
    by_call = {event.pk: event for event in events}
    texts = {message.pk: message.text for message in messages}
    steps = [step_json(call, by_call.get(call.pk)) for call in calls]
    if with_text:
        for step, call in zip(steps, calls, strict=True):
            step["text"] = call.text or texts.get(call.step_id, "")
    return {
        "id": str(turn.pk),
        "session_id": str(turn.session_id),
        "index": turn.index,
        "mode": turn.mode,
        "status": turn.status,
        "stop_reason": turn.stop_reason,
        "replaces": str(turn.replaces_id) if turn.replaces_id else None,
        "message": next((message.text for message in messages if message.role == Message.Role.USER), ""),
        "unknown_tags": turn.unknown_tags,
        "messages": [message_json(message) for message in messages if message.role != Message.Role.USER],
        "routing": [{"fallback_reason": None, **decision} for decision in turn.routing],
        "steps": steps,
        "usage": usage_of_events(events),
        "summary_triggered": summary_plan(turn) is not None,
        "error": turn.error,
        "created_at": instant(turn.created_at),
        "completed_at": instant(turn.completed_at),
    }


def summary_plan(turn: Turn) -> Any:
    """Return the plan of the summary that a turn writes beside its answers, None if it writes none."""
    if "snapshot" in turn.get_deferred_fields():
        return turn.summary_plan  # type: ignore[attr-defined]  # of `TurnQuerySet.without_snapshot`
    return turn.snapshot.get("summarize")


def message_json(message: Message) -> dict[str, Any]:
    """Return a message in the API's shape; a synthesis has no agent."""
    return {
        "id": str(message.pk),
        "turn_id": str(message.turn_id),
        "seq": message.seq,
        "role": message.role,
        "agent_key": message.agent_key or None,
        "agent_name": message.agent_name or None,
        "purpose": message.purpose or None,
        "round": message.round,
        "model": message.model or None,
        "text": message.text,
        "status": message.status,
        "created_at": instant(message.created_at),
    }


def step_json(call: Call, event: UsageEvent | None) -> dict[str, Any]:
    """Return one attempt; its usage comes from the ledger once the turn is committed, from the journal before."""
    if event is not None:
        usage = usage_of_buckets(event.usage, event.source)
    elif call.usage is not None:
        usage = usage_of_report(UsageReport.from_dict(call.usage))
    else:
        usage = None
    error = call.error and {key: call.error[key] for key in ("code", "message", "retryable")}
    return {
        "step_id": str(call.step_id),
        "purpose": call.purpose,
        "agent_key": call.agent_key or None,
        "agent_name": call.agent_name or None,
        "model": call.model.alias,
        "round": call.round,
        "attempt": call.attempt,
        "status": call.status,
        "error": error,
        "usage": usage,
        "cost_usd": usd_text(event.cost_pico) if event else None,
        "latency_ms": call.latency_ms,
        "first_token_ms": call.first_token_ms,
        "cut_for": call.context.get("cut_for"),
        "fallback_reason": call.context.get("fallback_reason"),
        "context": call.context,
    }


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
        "error": turn.error,
    }


def instant(moment: Any) -> str | None:
    """Format a moment as RFC 3339 in UTC with a Z; None stays None."""
    return None if moment is None else rfc3339(moment)
