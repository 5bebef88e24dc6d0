"""Budgets on pages: the banner, *Usage*, *Costs*, and the front page of the administration."""

from __future__ import annotations

import datetime as dt
import re

import pytest
from django.contrib.auth.models import Permission
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from accounts.models import Team, User
from accounts.tests.support.admin_site import page, signed_in, static_files_as_they_are, superuser
from accounts.tests.support.clients import make_user
from accounts.tests.support.html import html_of
from billing.days import utc_today
from billing.models import Budget, BudgetPeriod
from billing.tests.support.budgets import make_budget, spend

__all__ = ["static_files_as_they_are"]

pytestmark = pytest.mark.django_db
HOME, USAGE, COSTS, INDEX = (reverse(name) for name in ("home", "usage", "costs", "admin:index"))


@pytest.fixture
def alice():
    return make_user("alice", team=Team.objects.create(name="Legal"))


def shown(client, url=HOME):
    response = client.get(url)
    assert response.status_code == 200
    return " ".join(html_of(response).split())


def banner(client, url=HOME):
    """Return the text of the banner, None without one."""
    found = re.findall(r'<aside class="budget-banner[^"]*".*?</aside>', shown(client, url))
    assert len(found) <= 1
    return re.sub(r"<[^>]+>", "", found[0]).strip() if found else None


def test_below_every_threshold_there_is_no_banner(alice):
    spend(make_budget("user", alice), 499)
    assert banner(signed_in(alice)) is None


def test_signed_out_there_is_none():
    spend(make_budget(), 1000)
    assert "budget-banner" not in shown(Client(), reverse("sign-in"))


@pytest.mark.parametrize(
    ("fields", "cents", "tone", "says"),
    [
        ({"hard": False}, 500, "soft", "Resets "),
        ({"hard": False}, 1500, "soft", "150% of your monthly budget used ($15.00 of $10.00)."),
        ({}, 800, "hard", "Requests that could exceed the budget are blocked until"),
        ({}, 1000, "full", "Requests that cost money are blocked until"),
        ({"period": "day"}, 800, "hard", "80% of your daily budget used ($8.00 of $10.00)."),
    ],
)
def test_it_says_which_how_full_and_until_when(alice, fields, cents, tone, says):
    budget = make_budget("user", alice, **fields)
    period = spend(budget, cents)
    text = shown(signed_in(alice))
    assert f'"budget-banner budget-banner-{tone}"' in text
    assert says in banner(signed_in(alice))
    assert f'datetime="{budget.resets_at(period.start):%Y-%m-%d}T00:00:00+00:00"' in text


@pytest.mark.parametrize("url", [HOME, USAGE, reverse("room-new"), reverse("agent-new")])
def test_it_is_on_every_page(alice, url):
    spend(make_budget(), 900)
    assert "90% of the shared monthly budget used" in banner(signed_in(alice), url)


def test_only_the_most_urgent_is_shown(alice):
    spend(make_budget(), 600)
    spend(make_budget("team", alice.team), 700)
    assert "70% of the monthly budget of team Legal used" in banner(signed_in(alice))


def test_it_is_gone_in_the_next_period(alice):
    budget = make_budget("user", alice)
    spend(budget, 900)
    before = budget.start_of(budget.start_of(utc_today()) - dt.timedelta(days=1))
    BudgetPeriod.objects.update(start=before)
    Budget.objects.update(counts_from=before)
    assert banner(signed_in(alice)) is None


def test_neither_what_is_overridden_nor_what_is_others(alice):
    each = make_budget(applies="each")
    spend(each, 900, by=alice)
    spend(each, 990, by=make_user("bob"))
    assert "90% of your monthly budget used" in banner(signed_in(alice))
    make_budget("user", alice, usd=1000)
    assert banner(signed_in(alice)) is None


def test_a_page_that_is_not_there_has_it_too(alice):
    spend(make_budget(), 900)
    response = signed_in(alice).get("/nowhere")
    assert response.status_code == 404
    assert "budget-banner" in html_of(response)


def test_my_budgets_on_usage(alice):
    spend(make_budget("user", alice), 250, held_cents=125)
    make_budget("team", alice.team, usd=40, hard=False, period="day")
    make_budget("user", make_user("bob"), usd=77)
    text = shown(signed_in(alice), USAGE)
    assert 'id="budgets"' in text
    assert "Your budget" in text
    assert "25%" in text
    assert "$1.25</data> held" in text
    assert "$6.25</data> left" in text
    assert "Budget of team Legal" in text
    assert "$77.00" not in text
    assert 'width="25.00"' in text
    assert 'x="25.00" width="12.50"' in text


def test_without_budgets_the_pages_do_not_mention_them(alice):
    assert 'id="budgets"' not in shown(signed_in(alice), USAGE)
    assert "costs-budgets" not in shown(superuser(), COSTS)


def test_names_are_escaped(alice):
    alice.team.name = "<script>alert(1)</script>"
    alice.team.save()
    spend(make_budget("team", alice.team), 900)
    for client, url in ((signed_in(alice), USAGE), (superuser(), COSTS)):
        text = shown(client, url)
        assert "<script>alert" not in text
        assert "&lt;script&gt;alert" in text


def test_nothing_in_it_needs_a_script_or_an_inline_style(alice):
    spend(make_budget("user", alice), 900)
    for client, url in ((signed_in(alice), USAGE), (superuser(), COSTS)):
        assert not re.search(r"\sstyle=|<style|\son\w+=|<script(?![^>]*\ssrc=)", shown(client, url))


def test_budgets_on_costs(alice):
    spend(make_budget("user", alice, usd=2, period="day"), 150)
    each = make_budget("team", alice.team, applies="each", usd=1)
    spend(each, 20, by=alice)
    spend(each, 10, by=make_user("bob"))
    text = shown(superuser(), COSTS)
    assert text.index("75%") < text.index("20%")
    assert page(Budget, "change", each.pk) in text
    assert "Team Legal, each member" in text
    assert "That is alice@example.com, who has used most of 2 members." in text


def test_costs_shows_the_fullest_and_leads_to_all():
    for cents in range(14):
        spend(make_budget("user", make_user(f"p{cents}")), cents * 10)
    response = superuser().get(COSTS)
    lines = response.context["budgets"]
    assert [line.title for line in lines] == [f"p{cents}@example.com" for cents in range(13, 1, -1)]
    assert "Budgets, most used first" in html_of(response)
    assert page(Budget, "changelist") in html_of(response)


def test_staff_who_see_costs_see_budgets_without_links_to_closed_pages():
    spend(make_budget(), 900)
    carol = make_user("carol", is_staff=True)
    carol.user_permissions.add(Permission.objects.get(codename="view_usageevent"))
    text = shown(signed_in(User.objects.get(pk=carol.pk)), COSTS)
    assert "90%" in text
    assert reverse("admin:billing_budget_changelist") not in text


def test_the_index_has_the_thresholds_that_were_passed_last(alice):
    total = make_budget(usd=10)
    spend(total, 850)
    each = make_budget(applies="each", usd=1)
    spend(each, 60, by=alice)
    text = " ".join(shown(superuser(), INDEX).split())
    assert f'<a href="{page(Budget, "change", total.pk)}">Everyone</a> reached 80% of its' in text
    assert "Everyone, each member: alice@example.com</a>" in text
    assert text.index("each member") < text.index("80% of its")


def test_the_index_has_five_of_them_and_only_for_those_who_may():
    for number in range(7):
        spend(make_budget("user", make_user(f"p{number}"), thresholds=[50]), 600)
    text = shown(superuser(), INDEX)
    assert text.count("50% of its") == 5
    assert "p6@example.com" in text
    assert "p1@example.com" not in text
    dora = make_user("dora", is_staff=True)
    assert "50% of its" not in shown(signed_in(dora), INDEX)


def test_the_banner_is_one_statement_and_one_for_the_name(alice):
    client = signed_in(alice)

    def statements():
        with CaptureQueriesContext(connection) as made:
            client.get(reverse("agent-new"))
        return len(made)

    none = statements()
    for number in range(3):
        make_budget("team", alice.team, usd=number + 1)
    spend(make_budget(), 900)
    assert statements() == none
    spend(make_budget("user", alice), 950)
    assert statements() == none + 1


@pytest.mark.parametrize("name", ["costs", "usage", "admin:index"])
def test_more_budgets_ask_no_more_statements(alice, name):
    client = signed_in(User.objects.create_superuser("root@example.org", team=alice.team))
    each = make_budget(applies="each", usd=1)

    def statements():
        with CaptureQueriesContext(connection) as made:
            client.get(reverse(name))
        return len(made)

    def spend_more(number):
        person = make_user(f"p{number}", team=Team.objects.create(name=f"Team {number}"))
        spend(each, 60 + number, by=person)
        for scope, target in (("team", person.team), ("team", alice.team), ("everyone", None)):
            spend(make_budget(scope, target, usd=20), 1000 + number)
        spend(make_budget("user", person, period="day"), 600)

    spend_more(0)
    client.get(reverse(name))  # the content types are kept by the process
    few = statements()
    for number in range(1, 5):
        spend_more(number)
    assert statements() == few
