"""Accounts are created with links: the first administrator's, and an invitation."""

from __future__ import annotations

import re

import pytest
from django.db import transaction
from playwright.sync_api import Page, expect

from accounts.models import User
from accounts.services.invitations import invitation_create
from accounts.services.people import setup_link_issue
from orchestration.models import LlmModel
from sessions.models import Room
from sessions.tests.browser.steps import ended, lane, turn

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("nobody_runs")]
PASSWORD = "a fine long passphrase"


def fill_in(page: Page, **fields: str) -> None:
    for label, value in {"Password": PASSWORD, "Confirm password": PASSWORD, **fields}.items():
        page.get_by_label(label, exact=True).fill(value)


def test_the_set_up_link_makes_the_administrator_once(page: Page, openai_model: LlmModel) -> None:
    secret = setup_link_issue()
    page.goto(f"/setup/{secret}")
    fill_in(page, Email="ada@example.com")
    page.get_by_role("button", name="Create admin account").click()
    expect(page.get_by_role("heading", name="Providers and keys")).to_be_visible()
    assert User.objects.get().is_superuser
    page.get_by_role("link", name="Continue").click()
    page.locator("summary", has_text="ada").click()
    page.get_by_role("link", name="Admin", exact=True).click()
    expect(page).to_have_url(re.compile("/admin/$"))
    expect(page.get_by_role("link", name="Costs").first).to_be_visible()


def test_a_used_set_up_link_says_so(page: Page, watch, openai_model: LlmModel) -> None:
    secret = setup_link_issue()
    User.objects.create_superuser("root@example.com")
    watch.expect(404)
    page.goto(f"/setup/{secret}")
    expect(page.get_by_text("has been used or replaced")).to_be_visible()


def test_an_invitation_makes_an_account_which_makes_its_first_council(
    page: Page, alice: User, openai_model: LlmModel, openai_server
) -> None:
    with transaction.atomic():
        invitation, url = invitation_create(
            email="dora@example.org", team=None, actor=alice, base_url="", expires_at=None
        )
    page.goto(url)
    expect(page.get_by_text("Alice invites you")).to_be_visible()
    fill_in(page)
    page.get_by_role("button", name="Create account").click()
    page.get_by_role("button", name="Create starter council").click()
    page.get_by_role("button", name="Send").click()
    ended(page)
    for key in ("strategist", "skeptic", "builder"):
        expect(lane(page, key)).to_have_attribute("data-state", "complete")
        expect(lane(page, key)).to_contain_text("Hello from the test server.")
    expect(turn(page)).to_have_attribute("data-status", "completed")
    assert Room.objects.get().owner.email == invitation.email
    expect(page).to_have_title(re.compile("^We want to open a small neighbourhood bakery.*… · Pantheon$"))


def test_signing_in_and_out(page: Page, alice: User) -> None:
    page.goto("/usage")
    page.get_by_label("Email").fill(alice.email)
    page.get_by_label("Password").fill("correct horse battery")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", name="Usage", exact=True)).to_be_visible()
    page.locator("summary", has_text="Alice").click()
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
