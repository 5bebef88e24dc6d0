"""*Usage* with figures: readable on a phone, and accessible in light and dark."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import Any

import pytest
from django.db import transaction
from django.utils import timezone
from playwright.sync_api import expect

from accounts.models import User
from accounts.services.people import token_create
from billing.tests.factories import make_model
from billing.tests.support.budgets import make_budget, spend
from billing.tests.support.daily import bill
from sessions.tests.browser.looking import PHONE

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("nobody_runs")]


@pytest.fixture
def spent(alice: User) -> User:
    """Thirty days with calls of an agent with a long handle, by pages and by a token."""
    model, (token, _) = make_model(), token_create(user=alice, name="laptop")
    for day in range(30):
        with transaction.atomic():
            at = timezone.now() - dt.timedelta(days=day)
            bill(
                model,
                alice,
                at,
                agent_key="strategist",
                turn_id=uuid.uuid4(),
                token_id=(None, token.pk)[day % 2],
            )
    spend(make_budget("user", alice, usd=1, hard=True), 90)
    return alice


def test_usage_is_accessible(look_as: Any, spent: User) -> None:
    look = look_as(spent)
    look.at("/usage")
    look.page.get_by_text("Show as table").click()
    look.here("usage table")
    assert not look.wrong, "\n".join(look.wrong)


def test_on_a_phone_the_chart_begins_at_the_newest_day_and_rows_are_cards(look_as: Any, spent: User) -> None:
    page = look_as(spent).page
    page.set_viewport_size(PHONE)
    page.goto("/usage")
    newest = page.locator(".chart-bar").last.bounding_box()
    label = page.locator(".chart-day").last.bounding_box()
    for box in (newest, label):
        assert box is not None
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= PHONE["width"]
    scrolling = page.locator(".chart-scroll").evaluate("box => box.scrollWidth > box.clientWidth")
    assert scrolling
    for cell in page.locator(".usage-table tbody :is(th, td)").all():
        box = cell.bounding_box()
        assert box is not None
        assert box["x"] + box["width"] <= PHONE["width"]
    name = page.get_by_role("link", name="@strategist: show turns")
    expect(name).to_be_visible()
    one_line = name.evaluate("link => link.getClientRects().length")
    assert one_line == 1
