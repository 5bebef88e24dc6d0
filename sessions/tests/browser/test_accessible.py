"""Every page, in light and in dark, at desktop width and at 360 px: axe finds nothing serious, nothing overflows."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.tokens import default_token_generator
from django.db import transaction
from playwright.sync_api import expect

from accounts.models import User
from accounts.services.invitations import invitation_create
from accounts.services.people import setup_link_issue, token_create
from billing.tests.support.budgets import make_budget, spend
from orchestration.models import LlmModel
from orchestration.tests.providers import Answer, OpenAIServer
from sessions.models import ChatSession, Room
from sessions.services.agents import agent_delete
from sessions.services.chats import session_delete
from sessions.services.rooms import room_delete
from sessions.tests.browser.looking import LONG_NAME
from sessions.tests.browser.steps import ended, open_session, open_summary, send
from sessions.tests.browser.watching import Watch
from sessions.tests.factories import make_agent, make_room, make_session
from sessions.tests.support.councils import ROUTE, SYNTHESIZE, decision, says

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("nobody_runs")]

ANSWER = (
    "## Rent\n\nThe rent is **USD 900**, see [the offer](https://example.com).\n\n"
    "| month | rent |\n|---|---:|\n| 1 | 900 |\n| 2 | 900 |\n\n"
    "```python\ndef rent(months: int) -> int:\n    return 900 * months  # whatever comes\n```\n\n> quoted `code`\n"
)
SUMMARY = (
    '{"summary_text": "Talk of a bakery.", "key_facts": [{"text": "Rent is 900.", "message_seq": 2}], '
    '"decisions": [{"text": "Open in May.", "message_seq": 3}], "open_questions": [], "action_items": []}'
)


@pytest.fixture
def root(openai_model: LlmModel) -> User:
    return User.objects.create_superuser("root@example.com", name=LONG_NAME)


@pytest.fixture
def council(root: User, openai_model: LlmModel, openai_server: OpenAIServer) -> ChatSession:
    agents = [make_agent(root, key, openai_model) for key in ("ana", "bob")]
    openai_server.when(ROUTE, Answer(decision(("ana", "Mind the rent."), ("bob", "Mind the time."))))
    openai_server.when(says("ana"), Answer(ANSWER), Answer(status=500), always=True)
    openai_server.when(says("bob"), Answer("It is quick."), always=True)
    openai_server.when(SYNTHESIZE, Answer("All **together**."))
    openai_server.default = Answer(SUMMARY)
    room = make_room(root, *agents, name="Harbour board", goal="Decide well.", mode="orchestrator")
    return make_session(root, room)


def test_pages_before_signing_in(look_as: Any, root: User, alice: User, watch: Watch) -> None:
    with transaction.atomic():
        _, invitation = invitation_create(email="dora@example.org", team=None, actor=root, base_url="")
    look = look_as()
    for path in ("/sign-in", "/forgot-password", invitation):
        look.at(path)
    look.at(f"/reset-password/{alice.pk}/{default_token_generator.make_token(alice)}")
    watch.expect(404)
    look.at("/nowhere")
    assert not look.wrong, "\n".join(look.wrong)


def test_the_set_up(look_as: Any) -> None:
    look = look_as()
    look.at(f"/setup/{setup_link_issue()}")
    assert not look.wrong, "\n".join(look.wrong)


def test_a_conversation(look_as: Any, root: User, council: ChatSession, watch: Watch) -> None:
    look = look_as(root)
    page = look.page
    open_session(page, council)
    look.here("session empty")
    page.get_by_label("Message", exact=True).press_sequentially("Shall we? @")
    expect(page.get_by_role("option").first).to_be_visible()
    look.here("session tags")
    page.get_by_label("Message", exact=True).fill("Shall we? @ana")
    page.get_by_role("button", name="Only @ana").click()
    look.here("session only")
    send(page, "Shall we?")
    ended(page)
    summary = open_summary(page)
    summary.get_by_role("button", name="Summarize now").click()
    expect(summary.get_by_role("listitem").first).to_be_visible()
    look.here("session summary")
    page.get_by_role("tab", name="Connect").click()
    look.here("session connect")
    page.get_by_role("tab", name="Council").click()
    page.reload()
    page.locator("[data-steps] summary").first.click()
    page.get_by_text("Receipt").first.click()
    page.get_by_role("button", name="Edit", exact=True).first.click()
    expect(page.get_by_label("Your message")).to_be_visible()
    page.get_by_role("button", name="Retry options").last.click()
    page.get_by_role("menuitem", name="All agents: other model…").click()
    expect(page.get_by_role("menuitem").first).to_contain_text("-test")
    look.here("session")
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Compare").first.click()
    look.here("session compare")
    page.keyboard.press("Escape")
    Room.objects.update(mode="manual")
    page.reload()
    watch.expect(422)
    page.get_by_role("button", name="Remove Everyone").click()
    send(page, "nobody")
    expect(page.get_by_role("alert")).to_be_visible()
    look.here("session refused")
    send(page, "@all again")
    ended(page)
    expect(page.get_by_role("button", name="Retry", exact=True).first).to_be_visible()
    look.here("session failed")
    page.goto("/search?q=rent")
    expect(page.locator("mark").first).to_be_visible()
    look.here("search found")
    assert not look.wrong, "\n".join(look.wrong)


def test_ones_own_pages(look_as: Any, root: User, council: ChatSession, openai_model: LlmModel) -> None:
    token_create(user=root, name="laptop")
    look = look_as(root)
    look.at("/")
    look.at("/search")
    look.at("/search?q=harbour")
    room, agent = council.room, make_agent(root, "cy", openai_model)
    assert room is not None
    for path in (f"/rooms/{room.pk}/edit", "/rooms/new", f"/agents/{agent.pk}", "/agents/new", "/welcome"):
        look.at(path)
    look.at(f"/rooms/{make_room(root, agent).pk}")
    look.at("/account")
    page = look.page
    page.locator("#tokens").get_by_label("Name").fill("reports")
    page.get_by_role("button", name="Create token").click()
    expect(page.locator("[data-secret]")).to_be_visible()
    page.get_by_role("button", name="Change password").evaluate("button => button.form.noValidate = true")
    look.here("account token")
    page.get_by_role("button", name="Change password").click()
    expect(page.locator(".field-errors").first).to_be_visible()
    look.here("account refused")
    spend(make_budget("user", root, usd=1, hard=True), 90)
    look.at("/usage")
    agent_delete(agent=agent)
    session_delete(session=council)
    room_delete(room=room)
    page.goto(f"/agents/{make_agent(root, 'dan').pk}")
    page.locator("summary", has_text="Delete this agent").click()
    page.get_by_role("button", name="Delete this agent").click()
    look.here("home undo")
    page.locator("summary", has_text=LONG_NAME).click()
    look.here("home menu")
    look.at("/deleted")
    assert not look.wrong, "\n".join(look.wrong)


def test_the_administration(look_as: Any, root: User, council: ChatSession, alice: User) -> None:
    make_budget(usd=10)
    look = look_as(root)
    open_session(look.page, council)
    send(look.page, "Shall we?")
    ended(look.page)
    turn = council.turns.get()
    for path in (
        "/admin/",
        "/admin/costs/",
        "/admin/costs/teams/",
        "/admin/ledger-audit/",
        "/admin/billing/modelprice/current/",
        "/admin/billing/budget/add/",
        "/admin/chat_sessions/turn/",
        f"/admin/chat_sessions/turn/{turn.pk}/change/",
        "/admin/accounts/user/",
        f"/admin/accounts/user/{alice.pk}/change/",
    ):
        look.at(path)
    look.page.get_by_role("button", name="Password reset link").click()
    look.here("/admin/password-link")
    assert not look.wrong, "\n".join(look.wrong)
