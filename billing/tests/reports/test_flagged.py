"""Reports on flagged calls, which are summed from the ledger itself."""

from __future__ import annotations

import csv
import datetime as dt
import io
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from django.urls import reverse

from accounts.tests.support.admin_site import static_files_as_they_are, superuser
from accounts.tests.support.bodies import body_of
from accounts.tests.support.clients import make_user
from billing.days import DayRange
from billing.fields import usd_text
from billing.models import UsageEvent
from billing.reports.events import events_of
from billing.reports.filters import Filters
from billing.reports.report import GROUPS, dashboard, summary
from billing.services.reprice import model_events_correct
from billing.tests.factories import NOON, RATES, USAGE_PICO, make_model, make_price, report
from billing.tests.support.daily import TODAY, bill
from orchestration.models import LlmModel

__all__ = ["static_files_as_they_are"]

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.filterwarnings("ignore:StreamingHttpResponse must consume asynchronous"),
]

MONTH = DayRange(TODAY - dt.timedelta(days=29), TODAY)
RANGE = {"range": "custom", "from": str(MONTH.first), "to": str(MONTH.last)}


@pytest.fixture
def model() -> LlmModel:
    return make_model()


@pytest.fixture
def calls(model: LlmModel) -> list[UsageEvent]:
    """Three flagged calls, one of them estimated and one of long ago, and a plain one."""
    alice = make_user("alice@example.org")
    flagged = report(flags=("service_tier:priority",))
    return [
        bill(model, alice, NOON, report=flagged, purpose="route"),
        bill(model, alice, NOON, report=report(source="estimated", flags=("other_model", "usage_fell"))),
        bill(model, alice, NOON - dt.timedelta(days=60), report=flagged),
        bill(model, alice, NOON),
    ]


@pytest.mark.parametrize(
    ("flag", "count"), [("any", 2), ("service_tier:", 1), ("usage_fell", 1), ("speed:", 0)]
)
def test_every_group_sums_the_flagged_calls(calls: Any, flag: str, count: int) -> None:
    for group in GROUPS:
        report = dashboard(MONTH, Filters(flag=flag), group, today=TODAY)
        rows = summary(MONTH, Filters(flag=flag), group, today=TODAY)
        assert report.totals == rows.totals
        assert (report.totals.calls, report.totals.cost_pico) == (count, count * USAGE_PICO)
        assert sum(row.sums.calls for row in rows.table.rows) == count
        assert sum(sum(series.costs) for series in report.series) == count * USAGE_PICO
    estimated = report.totals.estimated_cost_pico
    assert estimated == (USAGE_PICO if flag in ("any", "usage_fell") else 0)
    assert report.totals.orchestration_cost_pico == (USAGE_PICO if flag in ("any", "service_tier:") else 0)


def test_other_filters_restrict_flagged_calls(calls: Any, model: LlmModel) -> None:
    filters = Filters(flag="any", purpose="route", model=model.pk)
    assert dashboard(MONTH, filters, "day", today=TODAY).totals.calls == 1


def test_corrections_of_flagged_calls_count(calls: Any, model: LlmModel) -> None:
    doubled = {name: 2 * rate for name, rate in RATES.items()}
    make_price(model, effective_from=NOON - dt.timedelta(days=1), **doubled)
    model_events_correct(model=model, start=MONTH.begin, end=MONTH.end, reason="test", actor_id=None)
    totals = dashboard(MONTH, Filters(flag="service_tier:"), "model", today=TODAY).totals
    assert (totals.calls, totals.cost_pico, totals.corrected_cost_pico) == (1, 2 * USAGE_PICO, USAGE_PICO)
    events = events_of(MONTH, Filters(flag="service_tier:"))
    assert sum(event.cost_pico for event in events) == 2 * USAGE_PICO


def test_the_page_its_files_and_the_api_filter_alike(calls: Any) -> None:
    client, query = superuser(), {**RANGE, "flag": "usage_fell"}
    page = client.get(reverse("costs"), query)
    assert page.context["now"].sums.calls == 1
    assert [(chip.title, chip.label) for chip in page.context["chips"]] == [("Flag", "Usage fell")]
    shown = csv.DictReader(io.StringIO(client.get(reverse("costs-csv"), query).content.decode("utf-8-sig")))
    assert next(shown)["calls"] == "1"
    streamed = client.get(reverse("costs-events-csv"), query)
    [row] = csv.DictReader(io.StringIO(body_of(streamed).decode("utf-8-sig")))
    assert "usage_fell" in row["flags"]
    answer = client.get("/api/v1/admin/usage/summary", query).json()
    assert (answer["totals"]["calls"], answer["totals"]["cost_usd"]) == (1, usd_text(USAGE_PICO))


def test_the_page_leads_to_the_same_calls_in_the_ledger(calls: Any) -> None:
    client = superuser()
    url = client.get(reverse("costs"), {**RANGE, "flag": "any"}).context["all_events"]
    assert parse_qs(urlsplit(url).query)["flagged"] == ["any"]
    assert client.get(url).context["cl"].result_count == 2


def test_an_unknown_flag_is_refused(calls: Any) -> None:
    client = superuser()
    assert client.get("/api/v1/admin/usage/summary", {**RANGE, "flag": "nonsense"}).status_code == 400
    assert "It is ignored" in client.get(reverse("costs"), {**RANGE, "flag": "nonsense"}).content.decode()
