"""Summaries: the newest of a session in the engine's types, and in the API's shape."""

from __future__ import annotations

import uuid
from typing import Any

from orchestration.engine.specs import SummaryItem, SummarySpec
from orchestration.engine.summary import FIELDS
from sessions.models import Summary
from sessions.selectors.turns import instant


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


def summary_json(summary: Summary) -> dict[str, Any]:
    """Return a summary in the API's shape; items are `{"text", "message_seq", "pinned"}`."""
    return {
        "id": str(summary.pk),
        "session_id": str(summary.session_id),
        "turn_id": str(summary.turn_id) if summary.turn_id else None,
        "from_seq": summary.from_seq,
        "through_seq": summary.through_seq,
        "text": summary.text,
        **{field: getattr(summary, field) for field in FIELDS},
        "used_fallback": summary.used_fallback,
        "created_at": instant(summary.created_at),
        "updated_at": instant(summary.updated_at),
    }
