"""Summaries on demand, and edits of their content."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.db import IntegrityError, transaction

from accounts.models import ApiToken, User
from orchestration.engine.modes import SUMMARY
from orchestration.engine.specs import SummaryPlan, TurnSpec
from orchestration.engine.summary import FIELDS, MAX_ITEM_CHARS, MAX_ITEMS, MAX_SUMMARY_CHARS
from sessions.models import ChatSession, Summary, Turn
from sessions.selectors.calibration import observations
from sessions.selectors.ends import session_end
from sessions.selectors.file_specs import files_by_seq, with_files
from sessions.selectors.history import history_of
from sessions.selectors.summaries import continued_spec, newest_summary, usable_summary
from sessions.services.roster import agent_specs, agents_of, summarizer_spec
from sessions.services.turn_accept import turn_enqueue, turn_in_progress, turn_of_plan
from sessions.services.turn_plan import TurnPlan, limits_of
from sessions.services.turn_request import TurnRequest
from web.errors import ValidationFailed


def summary_accept(
    *, user: User, session: ChatSession, request: TurnRequest, token: ApiToken | None = None
) -> Turn:
    """Accept a turn that only summarizes: it is run, committed and recovered like any other.

    If the newest summary was made without a model, everything since the last usable one is summarized again.
    Raises ValidationFailed if there are no new messages, `turn_in_progress` while a turn runs.
    """
    try:
        return _accept(user, session, request, token)
    except IntegrityError:
        raise turn_in_progress() from None


@transaction.atomic(durable=True)
def _accept(user: User, session: ChatSession, request: TurnRequest, token: ApiToken | None) -> Turn:
    newest = newest_summary(session.pk)
    replaced = newest if newest and newest.used_fallback else None
    earlier = usable_summary(session.pk) if replaced else newest
    end = session_end(session.pk)
    before_seq = end.seq + 1
    history = history_of(session.pk, after_seq=earlier.through_seq if earlier else 0, before_seq=before_seq)
    if not history:
        raise ValidationFailed({"session": ["There are no new messages since the last summary."]})
    if end.has_files:
        seqs = [line.seq for line in history if line.role == "user"]
        history = with_files(history, files_by_seq(session.pk, seqs=seqs, models=()))
    observed = observations(session.owner_id)
    roster = agent_specs(agents_of(session), observed=observed)
    spec = TurnSpec(
        turn_id="",
        session_id=str(session.pk),
        index=None,
        mode=SUMMARY,
        message="",
        roster=roster,
        addressed=(),
        room_name=session.room.name if session.room else "",
        limits=limits_of(session.room, request),
        summarizer=summarizer_spec(roster, observed),
        history=history,
        summary=continued_spec(earlier, replaced),
        summarize=SummaryPlan(through_seq=history[-1].seq, first=True),
    )
    plan = TurnPlan(
        spec,
        unknown_tags=(),
        summary_id=earlier.pk if earlier else None,
        redone_summary_id=replaced.pk if replaced else None,
        has_files=end.has_files,
    )
    turn = turn_of_plan(plan, user=user, session=session, request=request, token=token, before_seq=before_seq)
    turn_enqueue(turn, plan)
    return turn


@transaction.atomic(durable=True)
def summary_update(
    *, summary: Summary, text: str | None = None, **lists: Sequence[dict[str, Any]]
) -> Summary:
    """Change a summary's text, or replace whole lists: edit, pin, add or drop items. Raises ValidationFailed.

    Only the given fields are written, so that concurrent changes of different lists are both kept.
    """
    if text is not None:
        if not text.strip() or len(text) > MAX_SUMMARY_CHARS:
            raise ValidationFailed({"text": [f"1 to {MAX_SUMMARY_CHARS} characters."]})
        summary.text = text.strip()
    for field, items in lists.items():
        if field not in FIELDS:
            raise TypeError(f"summaries have no list {field!r}")
        setattr(summary, field, [valid_item(field, item, summary) for item in items])
        if len(items) > MAX_ITEMS:
            raise ValidationFailed({field: [f"At most {MAX_ITEMS} items."]})
    summary.save(update_fields=[*(["text"] if text is not None else []), *lists, "updated_at"])
    return summary


def valid_item(field: str, item: dict[str, Any], summary: Summary) -> dict[str, Any]:
    """Return an item as stored. Raises ValidationFailed, also for a source message that is not in the session."""
    text = item["text"].strip()
    seq = item.get("message_seq")
    if not text or len(text) > MAX_ITEM_CHARS:
        raise ValidationFailed({field: [f"Each item has 1 to {MAX_ITEM_CHARS} characters."]})
    if seq is not None and not 1 <= seq <= summary.through_seq:
        raise ValidationFailed(
            {field: [f"message_seq must be a message of the session, up to {summary.through_seq}."]}
        )
    return {"text": text, "message_seq": seq, "pinned": bool(item.get("pinned", False))}
