"""Rollup rows for tests of the reports."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import Any

from accounts.models import Team, User
from billing.models import ZERO_UUID, DailyUsage
from billing.models.rollup_columns import KEY, SUMS
from billing.services.rollup import sums_add
from billing.services.usage import usage_stage
from billing.tests.factories import call, make_model, payer

TODAY = dt.date(2026, 11, 22)
USD = 10**12


def day_row(model: Any, **fields: Any) -> None:
    """Add one call to a day: 100 input tokens, 40 of them cached, 10 output tokens, USD 1."""
    defaults: dict[str, Any] = {
        "day": TODAY,
        "purpose": "reply",
        "mode": "manual",
        "calls": 1,
        "input_tokens": 60,
        "cache_read_tokens": 40,
        "output_tokens": 10,
        "cost_pico": USD,
    }
    row = DailyUsage(model=model, **{**defaults, **fields})
    sums_add({tuple(getattr(row, name) for name in KEY): [getattr(row, name) for name in SUMS]})


def bill(model: Any, user: User, at: dt.datetime, *, team: Team | None = None, **fields: Any) -> Any:
    """Bill one call as a turn's commit does; return its event."""
    payer_names = ("room_id", "room_name", "session_id", "turn_id", "token_id", "mode")
    of_payer = {name: fields.pop(name) for name in payer_names if name in fields}
    who = payer(
        user_id=user.pk,
        team_id=team.pk if team else ZERO_UUID,
        team_name=team.name if team else "",
        **{"turn_id": uuid.uuid4(), **of_payer},
    )
    [event] = usage_stage(payer=who, calls=[call(model, ended_at=at, **fields)])
    return event


__all__ = ["TODAY", "USD", "bill", "day_row", "make_model"]
