"""Commit a turn: its status, messages and billing in one transaction."""

from __future__ import annotations

import copy
import dataclasses
import datetime as dt
import uuid
from collections.abc import Mapping
from functools import partial
from typing import Any

from django.db import transaction
from django.db.models import CharField, DateTimeField, IntegerField, TextField, UUIDField
from django.utils import timezone

from billing.selectors.price_book import PRICES_VERSION, prices_of_version
from billing.services.usage import MeteredCall, usage_stage
from orchestration.engine.result import TurnResult
from orchestration.engine.specs import ModelSpec, TurnSpec, UsageReport
from orchestration.engine.steps import StepResult
from orchestration.engine.summary import FIELDS, SummaryResult
from orchestration.engine.title import MAX_TITLE_CHARS
from sessions.metrics import turn_observed
from sessions.models import Call, ChatSession, Message, Summary, Turn
from sessions.rendering.markdown import RENDERER, visible_text
from sessions.search_text import fold
from sessions.selectors.turns import terminal_fields_of
from sessions.services.calls import TurnCalls, outcome_of
from sessions.services.fence import FenceLost
from sessions.services.leases import ClaimedTurn
from web.database.compiled import Bound, CompiledUpdate, Slot, insertions

RESULT = ("status", "stop_reason", "routing", "error", "completed_at", "last_event_seq")
MAKE_FINAL: CompiledUpdate[Turn] = CompiledUpdate(
    lambda: (
        Turn.objects.filter(
            pk=Slot("turn_id", UUIDField()),
            claim=Slot("held_claim", IntegerField()),
            status=Turn.Status.RUNNING,
        ),
        {
            **{name: Slot(name, Turn._meta.get_field(name)) for name in RESULT},
            "lease_expires_at": None,
            "runner_id": None,
        },
    ),
    also={"prices_version": PRICES_VERSION},
)
SESSION_TOUCH = CompiledUpdate(
    lambda: (
        ChatSession.objects.filter(pk=Slot("session_id", UUIDField())),
        {"updated_at": Slot("updated_at", DateTimeField())},
    )
)

SESSION_TITLE = CompiledUpdate(
    lambda: (
        # Not if it was renamed since.
        ChatSession.objects.filter(
            pk=Slot("session_id", UUIDField()), title=Slot("draft_title", CharField())
        ),
        {"title": Slot("new_title", CharField()), "search_text": Slot("search_text", TextField())},
    )
)

MARK_BILLED = CompiledUpdate(
    lambda: (
        # Rows that are still open get their outcome in the same statement.
        Call.objects.filter(turn_id=Slot("turn_id", UUIDField()), committed=False).exclude(
            status=Call.Status.STARTED
        ),
        {"committed": True, "text": ""},
    )
)


@transaction.atomic(durable=True)
def turn_commit(
    *,
    claimed: ClaimedTurn,
    result: TurnResult,
    last_event_seq: int,
    written: TurnCalls,
    html: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """Make a turn final, with its messages, and bill all its calls; return its terminal event's fields.

    `html`: HTML of answers, by step.

    A fixed number of statements for any number of calls. Raises FenceLost if another runner holds the turn;
    then nothing is written.
    """
    now = timezone.now()
    turn_id, payer = claimed.turn_id, claimed.payer
    # First: it locks the turn's row, so that a runner that has lost its claim stops before it writes anything.
    turn: Any = MAKE_FINAL.returning(
        turn_id=turn_id,
        held_claim=claimed.claim,
        status=result.status,
        stop_reason=result.stop_reason,
        routing=[{"round": number, **decision.as_dict()} for number, decision in result.routing],
        error=None if result.error is None else dataclasses.asdict(result.error),
        completed_at=now,
        last_event_seq=last_event_seq,
    )
    if turn is None:
        raise FenceLost(f"turn {turn_id} is no longer held by claim {claimed.claim}")
    if result.summary is not None:
        summary_add(payer.session_id, turn_id, result.summary)
    messages = messages_of(claimed, result, html or {})
    models = models_of(claimed.spec)
    # Last, because turns that end concurrently wait for each other at the rollup rows that this updates.
    events = usage_stage(
        payer=payer,
        calls=[metered_call_of(call, models[str(call.model_id)]) for call in written.calls],
        prices=prices_of_version(turn.prices_version),
        has_hold=claimed.funds is not None,
        beside=[
            *insertions(messages),
            *calls_commit(turn_id, written),
            *session_update(payer.session_id, claimed.spec.draft_title, result.title, now),
        ],
    )
    transaction.on_commit(partial(turn_observed, mode=payer.mode, status=result.status, events=events))
    return terminal_fields_of(turn, events)


def session_update(session_id: uuid.UUID, draft_title: str, title: str, now: dt.datetime) -> list[Bound]:
    """Return the statements that move the session to the top of its lists, and replace the title from its message."""
    touch = SESSION_TOUCH.bind(session_id=session_id, updated_at=now)
    if not title:
        return [touch]
    new_title = visible_text(title)[:MAX_TITLE_CHARS]
    retitle = SESSION_TITLE.bind(
        session_id=session_id, draft_title=draft_title, new_title=new_title, search_text=fold(new_title)
    )
    return [touch, retitle]


def calls_commit(turn_id: uuid.UUID, written: TurnCalls) -> list[Bound]:
    """Return the statements that mark the turn's calls as billed and blank their replay text.

    Includes everything the journal left to the commit: missing rows, and outcomes.
    """
    new = [billed_copy(call) for call in written.new]
    ended = [billed_copy(call) for call in written.ended if call not in written.new]
    statements = [*(outcome_of(call) for call in ended), *insertions(new)]
    if len(new) + len(ended) < len(written.calls):
        statements.append(MARK_BILLED.bind(turn_id=turn_id))
    return statements


def billed_copy(call: Call) -> Call:
    """Return a billed copy of a call; the journal keeps the unbilled one until the commit."""
    billed = copy.copy(call)
    billed.committed, billed.text = True, ""
    return billed


def models_of(spec: TurnSpec) -> dict[str, ModelSpec]:
    """Return id -> model for the models of a turn's calls, as they were when it was accepted."""
    models = [*(agent.model for agent in spec.roster), spec.manager, spec.summarizer]
    return {model.id: model for model in models if model is not None}


def messages_of(claimed: ClaimedTurn, result: TurnResult, html: Mapping[str, str]) -> list[Message]:
    """Return the answers for the transcript; partial text from before a failure or cancel is kept, marked as such.

    They follow the turn's own message: a session has one turn at a time, and nothing else adds to its
    transcript.
    """
    answers = [answer for answer in result.answers if answer.text.strip()]
    return [
        message_of(claimed.payer.session_id, claimed.turn_id, seq, answer, html.get(answer.step_id))
        for seq, answer in enumerate(answers, start=claimed.first_seq)
    ]


def message_of(
    session_id: uuid.UUID, turn_id: uuid.UUID, seq: int, answer: StepResult, html: str | None
) -> Message:
    agent = answer.agent
    return Message(
        id=uuid.UUID(answer.step_id),
        session_id=session_id,
        turn_id=turn_id,
        seq=seq,
        role=Message.Role.AGENT if agent else Message.Role.MANAGER,
        agent_id=uuid.UUID(agent.id) if agent else None,
        agent_key=agent.key if agent else "",
        agent_name=agent.name if agent else "",
        model=answer.model,
        text=answer.text,
        html=html or "",
        html_version=0 if html is None else RENDERER,
        status=answer.status,
        round=answer.round,
        purpose=answer.purpose,
    )


def summary_add(session_id: uuid.UUID, turn_id: uuid.UUID, result: SummaryResult) -> None:
    """Store a new summary; it continues the previous one (inside a transaction).

    A usable summary replaces the fallback ones within its range. A fallback keeps an existing one with the
    same end, which may have been edited.
    """
    fallbacks = Summary.objects.filter(session_id=session_id, used_fallback=True)
    if not result.used_fallback:
        fallbacks.filter(from_seq__gte=result.from_seq).delete()
    elif fallbacks.filter(through_seq=result.through_seq).update(
        turn_id=turn_id, fallback_reason=result.fallback_reason or ""
    ):
        return
    lists = {field: [dataclasses.asdict(item) for item in getattr(result.summary, field)] for field in FIELDS}
    Summary.objects.create(
        session_id=session_id,
        turn_id=turn_id,
        from_seq=result.from_seq,
        through_seq=result.through_seq,
        text=result.summary.text,
        used_fallback=result.used_fallback,
        fallback_reason=result.fallback_reason or "",
        **lists,
    )


def metered_call_of(call: Call, model: ModelSpec) -> MeteredCall:
    """Return a finished call as input for billing."""
    assert call.usage is not None
    assert call.finished_at is not None
    return MeteredCall(
        id=call.pk,
        agent_id=call.agent_id,
        agent_key=call.agent_key,
        purpose=call.purpose,
        round=call.round,
        attempt=call.attempt,
        provider=model.provider,
        model_id=call.model_id,
        model_asked=model.model_id,
        model_served=call.model_served,
        provider_request_id=call.provider_request_id,
        report=UsageReport.from_dict(call.usage),
        bound=call.bound,
        status=call.status,
        latency_ms=call.latency_ms,
        first_token_ms=call.first_token_ms,
        ended_at=call.finished_at,
    )
