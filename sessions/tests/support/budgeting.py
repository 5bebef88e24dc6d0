"""Hard budgets for tests of turns, their sessions, and estimated costs of turns: import `session` and `room`."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

import pytest
from django.db.models import F

from billing.fields import usd_to_pico
from billing.models import Budget, BudgetPeriod, Hold
from billing.services.budgets import budget_save
from sessions.tests.factories import make_agent, make_room, make_session


def budget(limit_pico: int, scope: str = "everyone", **fields: Any) -> Budget:
    return budget_save(budget=Budget(scope=scope, limit_pico=limit_pico, **fields))


def pico(usd: str) -> int:
    return usd_to_pico(Decimal(usd))


@pytest.fixture
def session(alice, openai_model):
    return make_session(alice, make_agent(alice, "ana", openai_model))


@pytest.fixture
def room(alice, openai_model):
    agents = [make_agent(alice, key, openai_model) for key in ("ana", "bob", "cy")]
    return make_session(alice, make_room(alice, *agents))


def estimate(api, session, message: str = "hello", **fields: Any) -> dict[str, Any]:
    response = api.post(f"sessions/{session.pk}/turns/estimate", {"message": message, **fields})
    assert response.status_code == 200, response.json()
    return response.json()


def high(api, session, message: str = "hello", **fields: Any) -> int:
    return pico(estimate(api, session, message, **fields)["high_usd"])


def ask(api, session, message: str = "hello", **fields: Any):
    return api.post(f"sessions/{session.pk}/turns", {"message": message, **fields})


def a_day_ago(made: Budget) -> None:
    """Date a budget's creation and its turns' acceptance one day back."""
    day = dt.timedelta(days=1)
    Budget.objects.filter(pk=made.pk).update(counts_from=F("counts_from") - day)
    for period in made.periods.all():
        BudgetPeriod.objects.filter(pk=period.pk).update(start=period.start - day)
    Hold.objects.update(created_at=F("created_at") - day)
