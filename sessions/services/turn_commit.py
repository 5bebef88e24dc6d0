"""Commit a turn: its status, its messages, and its bill, all in one transaction or not at all."""

from __future__ import annotations

import dataclasses
import uuid
from collections.abc import Mapping, Sequence
from functools import partial

from django.db import transaction
from django.db.models import Max
from django.utils import timezone

from billing.services.usage import MeteredCall, Payer, usage_stage
from orchestration.engine.specs import UsageReport
from orchestration.engine.steps import StepResult
from orchestration.engine.summary import FIELDS, SummaryResult
from orchestration.engine.turn import TurnResult
from sessions.markdown import RENDERER
from sessions.metrics import turn_observed
from sessions.models import Call, ChatSession, Message, Summary, Turn
from sessions.services.fence import turn_fence


@transaction.atomic(durable=True)
def turn_commit(
    *,
    turn_id: uuid.UUID,
    claim: int,
    payer: Payer,
    result: TurnResult,
    last_event_seq: int,
    unwritten: Sequence[Call] = (),
    html: Mapping[str, str] | None = None,
) -> None:
    """Make a turn final, with its messages and every call it made on the bill.

    `unwritten`: finished calls that the journal kept in memory. `html`: of answers, by step.

    A fixed number of statements, however many calls. Raises FenceLost where another runner holds the turn; then
    nothing is written.
    """
    turn_fence(turn_id=turn_id, claim=claim)
    now = timezone.now()
    messages_add(payer.session_id, turn_id, result, html or {})
    if result.summary is not None:
        summary_add(payer.session_id, turn_id, result.summary)
    Call.objects.bulk_create(unwritten)
    calls = (
        Call.objects.filter(turn_id=turn_id, committed=False)
        .select_related("model__provider")
        .order_by("number")
    )
    bill = [metered(call) for call in calls]
    Call.objects.filter(turn_id=turn_id).update(committed=True, text="")
    ChatSession.objects.filter(pk=payer.session_id).update(updated_at=now)
    Turn.objects.filter(pk=turn_id).update(
        status=result.status,
        stop_reason=result.stop_reason,
        routing=[{"round": number, **decision.as_dict()} for number, decision in result.routing],
        error=None if result.error is None else dataclasses.asdict(result.error),
        completed_at=now,
        lease_expires_at=None,
        runner_id=None,
        last_event_seq=last_event_seq,
    )
    # Last, because turns that end at the same time wait for each other at the rows that this adds to.
    events = usage_stage(payer=payer, calls=bill)
    transaction.on_commit(partial(turn_observed, mode=payer.mode, status=result.status, events=events))


def messages_add(
    session_id: uuid.UUID, turn_id: uuid.UUID, result: TurnResult, html: Mapping[str, str]
) -> None:
    """Append the answers to the transcript; what was said before a failure or a cancel is kept, marked so."""
    answers = [answer for answer in result.answers if answer.text.strip()]
    last_seq = Message.objects.filter(session_id=session_id).aggregate(last=Max("seq"))["last"] or 0
    Message.objects.bulk_create(
        message_of(session_id, turn_id, last_seq + offset, answer, html.get(answer.step_id))
        for offset, answer in enumerate(answers, start=1)
    )


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
    """Keep a new summary; it continues the one before (inside a transaction).

    A usable one comes in the place of those that were made without a model of what it covers. One that is not leaves
    the one that ends where it ends, which may have been edited.
    """
    covered = Summary.objects.filter(session_id=session_id, used_fallback=True)
    if not result.used_fallback:
        covered.filter(from_seq__gte=result.from_seq).delete()
    elif covered.filter(through_seq=result.through_seq).update(turn_id=turn_id):
        return
    lists = {field: [dataclasses.asdict(item) for item in getattr(result.summary, field)] for field in FIELDS}
    Summary.objects.create(
        session_id=session_id,
        turn_id=turn_id,
        from_seq=result.from_seq,
        through_seq=result.through_seq,
        text=result.summary.text,
        used_fallback=result.used_fallback,
        **lists,
    )


def metered(call: Call) -> MeteredCall:
    """Return a finished call as what is billed."""
    assert call.usage is not None
    assert call.finished_at is not None
    return MeteredCall(
        id=call.pk,
        agent_id=call.agent_id,
        agent_key=call.agent_key,
        purpose=call.purpose,
        round=call.round,
        attempt=call.attempt,
        provider=call.model.provider.name,
        model_id=call.model_id,
        model_asked=call.model.model_id,
        model_served=call.model_served,
        provider_request_id=call.provider_request_id,
        report=UsageReport.from_dict(call.usage),
        status=call.status,
        latency_ms=call.latency_ms,
        first_token_ms=call.first_token_ms,
        ended_at=call.finished_at,
    )
