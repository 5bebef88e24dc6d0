"""Summaries: the newest of a session in the engine's types, and as the API answers it."""

from __future__ import annotations

import uuid

from orchestration.engine.contracts import FALLBACK_REASONS
from orchestration.engine.specs import SummaryItem, SummarySpec
from orchestration.engine.summary import FIELDS
from sessions.models import Summary
from web.api.shapes import Shape, count, flag, identifier, moment, one_of, parts, stored, text


def newest_summary(session_id: uuid.UUID) -> Summary | None:
    return Summary.objects.filter(session_id=session_id).order_by("-through_seq").first()


def usable_summary(session_id: uuid.UUID) -> Summary | None:
    """Return the newest summary written by a model."""
    return Summary.objects.filter(session_id=session_id, used_fallback=False).order_by("-through_seq").first()


def summary_spec(summary: Summary) -> SummarySpec:
    """Convert a summary to the engine's type."""
    lists = {field: tuple(SummaryItem(**item) for item in getattr(summary, field)) for field in FIELDS}
    return SummarySpec(summary.text, **lists)


def continued_spec(earlier: Summary | None, replaced: Summary | None) -> SummarySpec | None:
    """Return the base of a new summary: the earlier one, with the lists of `replaced`, which the new one replaces."""
    if replaced is None:
        return summary_spec(earlier) if earlier else None
    before = summary_spec(earlier) if earlier else SummarySpec("")
    replaced_lists = summary_spec(replaced)
    lists = {
        field: (
            *getattr(replaced_lists, field),
            *(item for item in getattr(before, field) if not item.pinned),
        )
        for field in FIELDS
    }
    return SummarySpec(before.text, **lists) if earlier or any(lists.values()) else None


class SummaryItemShape(Shape):
    text = text("Text of the item.")
    message_seq = count("`seq` of the source message.", allow_null=True)
    pinned = flag("Kept in all later summaries.")


class SummaryShape(Shape):
    # Rendered from a `Summary`.
    id = identifier("The summary.", of="pk")
    session_id = identifier("The session.")
    turn_id = identifier("The turn that created it; null in a fork.", allow_null=True)
    from_seq = count("First message covered.")
    through_seq = count("Last message covered.")
    text = text("Text of the summary.", allow_blank=True)
    key_facts = stored(parts("Facts.", SummaryItemShape))
    decisions = stored(parts("Decisions and who made them.", SummaryItemShape))
    open_questions = stored(parts("Open questions.", SummaryItemShape))
    action_items = stored(parts("Tasks.", SummaryItemShape))
    used_fallback = flag("The summarizer's answer was unusable; this is a shortened transcript.")
    fallback_reason = one_of(
        "Why: `no_answer`; `length`, cut off at the output limit; `not_json`; `refused_schema`, JSON that does not fit "
        "what was asked for. Null: it was used, or not stored then.",
        *FALLBACK_REASONS,
        of=lambda summary: summary.fallback_reason or None,
        allow_null=True,
    )
    created_at = moment("Time of creation.")
    updated_at = moment("Time of the last change.")
