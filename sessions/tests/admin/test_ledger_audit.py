"""*Ledger audit* in the administration: permissions, and the same findings as `audit_ledger`."""

from __future__ import annotations

import contextlib
import datetime as dt
import re
import uuid
from io import StringIO

import pytest
from django.contrib.auth.models import Permission
from django.core.management import CommandError, call_command
from django.db import connection
from django.db.models import QuerySet
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils.html import escape

from accounts.models import User
from accounts.tests.support.admin_site import page, signed_in, static_files_as_they_are, superuser
from billing.days import month_of
from billing.models import ZERO_UUID, Budget, DailyUsage, UsageEvent, UsageTotal
from billing.services.budgets import budget_save
from billing.tests.support.append_only import changes_allowed
from sessions.admin import ledger_audit
from sessions.models import Call, Turn
from sessions.selectors.ledger_audit import INVARIANTS, Invariant
from sessions.selectors.ledger_findings import findings_for
from sessions.tests.services.test_turn_commit import claimed_turn, commit
from sessions.tests.support.pages import text_of

__all__ = ["static_files_as_they_are"]

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("nobody_runs")]
AUDIT = reverse("ledger-audit")


@pytest.fixture
def turn(alice) -> Turn:
    """A final turn of two calls."""
    claimed, result = claimed_turn(alice, 2)
    commit(claimed, result)
    return Turn.objects.get(pk=claimed.turn_id)


@pytest.fixture
def lost(turn) -> UsageEvent:
    """An event whose call is gone."""
    call = turn.calls.order_by("number")[0]
    Call.objects.filter(pk=call.pk).delete()
    return UsageEvent.objects.get(pk=call.pk)


def shown(response) -> list[str]:
    """Return the findings on the page, as text."""
    parts = [found for line in response.context["lines"] for found in line.findings]
    return ["".join(text for text, _ in finding) for finding in parts]


def printed() -> list[str]:
    out = StringIO()
    with contextlib.suppress(CommandError):  # how it ends is another test's
        call_command("audit_ledger", "--show=1000", stdout=out)
    return [line.strip() for line in out.getvalue().splitlines() if line.startswith("   ")]


def test_staff_who_may_see_the_costs_may_look() -> None:
    carol = User.objects.create_user("carol@example.org", is_staff=True)
    assert signed_in(carol).get(AUDIT).status_code == 403
    carol.user_permissions.add(Permission.objects.get(codename="view_usageevent"))
    client = signed_in(User.objects.get(pk=carol.pk))
    assert client.get(AUDIT).status_code == 200
    assert f'href="{AUDIT}"' in text_of(client.get(reverse("admin:index")))


def test_everybody_else_is_asked_to_sign_in(alice) -> None:
    for client in (Client(), signed_in(alice)):
        response = client.get(AUDIT)
        assert response.status_code == 302
        assert response["Location"].startswith(reverse("admin:login"))


def test_the_page_writes_nothing(turn) -> None:
    client = superuser()
    assert client.post(AUDIT).status_code == 405
    with CaptureQueriesContext(connection) as queries:
        client.get(AUDIT)
    reads = ("SELECT", "DECLARE")  # PostgreSQL reads long lists through a cursor
    assert [query["sql"] for query in queries if not query["sql"].startswith(reads)] == []


def test_books_in_order(turn) -> None:
    response = superuser().get(AUDIT)
    assert [line.verdict for line in response.context["lines"]] == ["ok"] * len(INVARIANTS)
    text = text_of(response)
    assert f"All {len(INVARIANTS)} checks passed" in text
    for invariant in INVARIANTS:
        assert escape(invariant.text) in text


def test_a_breach_is_shown_with_its_row(lost) -> None:
    response = superuser().get(AUDIT)
    verdicts = {line.number: line.verdict for line in response.context["lines"]}
    assert verdicts == {invariant.number: "ok" for invariant in INVARIANTS} | {2: "1 finding"}
    text = text_of(response)
    assert f"1 of {len(INVARIANTS)} checks failed" in text
    link = page(UsageEvent, "change", lost.pk)
    assert f'without a call: event <a href="{link}">{lost.pk}</a>' in text
    root = User.objects.get(email="root@example.org")
    assert signed_in(root).get(link).status_code == 200


def test_the_lines_are_those_of_the_command(turn) -> None:
    Call.objects.filter(pk=turn.calls.order_by("number")[0].pk).delete()
    DailyUsage.objects.update(cost_pico=1)
    Turn.objects.filter(pk=turn.pk).update(last_event_seq=None)
    lines = shown(superuser().get(AUDIT))
    assert len(lines) >= 3
    assert lines == printed()


def test_a_range_shows_the_findings_of_its_days(lost) -> None:
    with changes_allowed():
        at = dt.datetime(2026, 3, 5, 23, 59, tzinfo=dt.UTC)
        QuerySet(UsageEvent).filter(pk=lost.pk).update(created_at=at)
    client = superuser()
    here = {"range": "custom", "from": "2026-03-05", "to": "2026-03-05"}
    assert f"without a call: event {lost.pk}" in shown(client.get(AUDIT, here))
    elsewhere = {"range": "custom", "from": "2026-03-06", "to": "2026-03-07"}
    response = client.get(AUDIT, elsewhere)
    assert shown(response) == []
    assert "2026-03-06 to 2026-03-07" in text_of(response)
    assert any("day=2026-03-05" in line for line in shown(client.get(AUDIT, here)))  # the rollup's line


def test_what_speaks_of_no_day_is_in_every_range() -> None:
    line = f"2 turns have user_id={uuid.uuid4()} idempotency_key=x"
    found = findings_for(Invariant(8, "", lambda: iter([line])), days=month_of(dt.date(2001, 1, 1)), limit=5)
    assert [str(finding) for finding in found.findings] == [line]


def test_a_hold_leads_to_its_turn(turn) -> None:
    at = turn.completed_at.astimezone(dt.UTC).date()
    line = f"without a running turn: open hold {turn.pk}"
    [finding] = findings_for(Invariant(3, "", lambda: iter([line])), days=month_of(at), limit=5).findings
    assert (str(finding), finding.day) == (line, at)
    assert ledger_audit.links_of(finding)[-1] == (str(turn.pk), page(Turn, "change", turn.pk))


def test_what_a_budget_period_lacks_leads_to_its_budget(turn) -> None:
    budget = budget_save(budget=Budget(scope="everyone", limit_pico=10**15))
    budget.periods.update(spent_pico=1, held_pico=1)
    link = f'<a href="{page(Budget, "change", budget.pk)}">{budget.pk}</a>'
    client = superuser()
    text = text_of(client.get(AUDIT))
    assert f"of budget {link}: spent" in text
    assert (
        f"period {budget.periods.get().pk} of budget {link}: the held amount is not the sum of its open holds"
        in text
    )
    budget.periods.all().delete()
    assert f"budget {link}: no period from" in text_of(client.get(AUDIT))


def test_a_rollup_leads_to_the_costs_of_its_days_and_names_what_it_has(turn) -> None:
    UsageTotal.objects.filter(cut__in=["total", "week:user"]).update(calls=7)
    client = superuser()
    response = client.get(AUDIT)
    lines = [found for line in response.context["lines"] for found in line.findings]
    assert len(lines) == 2
    for finding, days in zip(lines, (1, 7), strict=True):
        [(day, link)] = [(text, url) for text, url in finding if url]
        last = dt.date.fromisoformat(day) + dt.timedelta(days=days - 1)
        assert link == f"{reverse('costs')}?range=custom&from={day}&to={last}"
        assert client.get(link).status_code == 200
    assert shown(response)[0] == f"rollup cut=total day={lines[0][1][0]}"
    assert f"user_id={turn.user_id}" in shown(response)[1]
    assert str(ZERO_UUID) not in text_of(response)


@pytest.mark.parametrize("query", [{"range": "soon"}, {"range": "custom", "from": "yesterday"}])
def test_an_invalid_range_is_reported(query) -> None:
    response = superuser().get(AUDIT, query)
    assert response.status_code == 200
    assert "Showing all days." in text_of(response)


def test_of_many_findings_some_are_shown(turn, monkeypatch) -> None:
    Call.objects.filter(turn=turn).delete()
    monkeypatch.setattr(ledger_audit, "MAX_FINDINGS", 1)
    response = superuser().get(AUDIT)
    assert "more than 1 finding" in text_of(response)
    assert "and more" in text_of(response)


def test_a_large_ledger_is_read_when_asked_to(turn, monkeypatch) -> None:
    monkeypatch.setattr(ledger_audit, "MAX_EVENTS", 1)
    client = superuser()
    waiting = client.get(AUDIT)
    assert waiting.context["lines"] == []
    assert "The ledger is large" in text_of(waiting)
    assert len(client.get(AUDIT, {"range": "all"}).context["lines"]) == len(INVARIANTS)


def test_nothing_in_it_needs_a_script_or_an_inline_style(lost) -> None:
    text = text_of(superuser().get(AUDIT))
    assert not re.search(r"\sstyle=|<style|\son\w+=|<script(?![^>]*\ssrc=)", text)
