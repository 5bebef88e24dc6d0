"""*Costs*: how much is for unknown output, and where the provider's own cost differs."""

from __future__ import annotations

import datetime as dt
import html
import re
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from accounts.tests.support.admin_site import static_files_as_they_are, superuser
from accounts.tests.support.clients import make_user
from billing.fields import usd_text
from billing.services.reprice import model_events_correct
from billing.tests.factories import USAGE_PICO, make_model, make_price, report
from billing.tests.support.daily import bill

__all__ = ["static_files_as_they_are"]

pytestmark = pytest.mark.django_db

COSTS = reverse("costs")


def words_of(response: Any) -> str:
    return " ".join(re.sub(r"<[^>]+>", "", html.unescape(response.content.decode())).split())


def make_calls(count: int) -> Any:
    model, alice = make_model(), make_user("alice@example.org")
    now = timezone.now()
    for _ in range(count):
        bill(model, alice, now, report=report(source="estimated", flags=("output_unknown",)))
        bill(model, alice, now, report=report(cost_usd="0.05"))
        bill(model, alice, now)
    return model


def test_without_such_calls_nothing_is_said() -> None:
    bill(make_model(), make_user("alice@example.org"), timezone.now())
    response = superuser().get(COSTS)
    assert response.context["notable"] == {}
    assert "unknown output" not in words_of(response)


def test_each_is_one_line_that_leads_to_its_calls() -> None:
    make_calls(2)
    client = superuser()
    response = client.get(COSTS)

    unknown, differs = (response.context["notable"][name] for name in ("output_unknown", "cost_differs"))
    assert (unknown.calls, unknown.cost.exact) == (2, usd_text(2 * USAGE_PICO))
    assert (differs.calls, differs.cost.exact, differs.provider_cost.exact) == (
        *(2, usd_text(2 * USAGE_PICO)),
        usd_text(10**11),
    )
    assert "2 calls with unknown output" in words_of(response)
    assert (
        f"2 calls with another cost by the provider: {differs.provider_cost.text}, here {differs.cost.text}"
        in words_of(response)
    )
    for each in (unknown, differs):
        filtered = client.get(f"{COSTS}{each.url}")
        assert filtered.context["now"].sums.calls == each.calls
        assert filtered.context["now"].cost == each.cost
        assert filtered.context["notable"] == {}


def test_the_lines_follow_the_filters_of_the_page() -> None:
    make_calls(1)
    assert superuser().get(COSTS, {"purpose": "route"}).context["notable"] == {}


def test_corrections_are_part_of_the_amounts() -> None:
    model = make_calls(1)
    now = timezone.now()
    make_price(model, effective_from=now - dt.timedelta(days=30), output_pico=0)
    start = now - dt.timedelta(days=1)
    model_events_correct(model=model, start=start, reason="a wrong price", actor_id=None)
    unknown = superuser().get(COSTS).context["notable"]["output_unknown"]
    assert unknown.cost.exact == usd_text(USAGE_PICO - 30 * 10_000_000)


def test_they_take_three_statements_however_many_calls() -> None:
    client = superuser()
    bill(make_model("other"), make_user("bob@example.org"), timezone.now())
    with CaptureQueriesContext(connection) as without:
        client.get(COSTS)
    make_calls(1)
    with CaptureQueriesContext(connection) as few:
        client.get(COSTS)
    assert len(few) == len(without) + 1
