"""A text over the limit is kept whole: it is counted, and cannot be sent until it is shorter."""

from __future__ import annotations

import pytest
from playwright.sync_api import Locator, Page, expect

from accounts.models import User
from orchestration.models import LlmModel
from orchestration.tests.providers import OpenAIServer
from sessions.models import Agent, ChatSession, Message, Room, Turn
from sessions.tests.browser.steps import ended, open_session, send, turn
from sessions.tests.factories import make_agent, make_room, make_session

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("nobody_runs")]

LIMIT = Message.MAX_CHARS


@pytest.fixture
def session(alice: User, openai_model: LlmModel) -> ChatSession:
    return make_session(alice, make_room(alice, make_agent(alice, "ana", openai_model)))


def paste(field: Locator, text: str) -> None:
    """Paste as people do; `fill` would ignore a maxlength."""
    field.page.evaluate("text => navigator.clipboard.writeText(text)", text)
    field.press("Control+V")


def test_a_long_message_is_kept_and_not_sent(
    alices: Page, session: ChatSession, openai_server: OpenAIServer
) -> None:
    open_session(alices, session)
    box = alices.get_by_label("Message", exact=True)
    note = alices.get_by_text("100,503 of 100,000 characters. Remove 503 to continue.")
    text = "@ana " + "a" * (LIMIT + 495) + "END"
    paste(box, text)
    expect(box).to_have_value(text)
    expect(note).to_be_visible()
    box.press("Enter")
    alices.get_by_role("button", name="Send").click()
    alices.reload()
    expect(box).to_have_value(text)
    expect(note).to_be_visible()
    assert Turn.objects.count() == 0
    box.fill("@ana short")
    expect(note).to_be_hidden()
    box.press("Enter")
    expect(alices.locator("[data-turn]")).to_have_count(1)
    ended(alices)


def test_a_long_edit_is_kept_and_not_sent(
    alices: Page, session: ChatSession, openai_server: OpenAIServer
) -> None:
    open_session(alices, session)
    send(alices, "@ana what now?")
    ended(alices)
    turn(alices).get_by_role("button", name="Edit").click()
    editor = turn(alices).get_by_label("Your message")
    paste(editor, "字" * LIMIT)
    editor.press("Enter")
    expect(turn(alices).get_by_text("Remove 14 to continue.")).to_be_visible()
    expect(editor).to_have_value("@ana what now?" + "字" * LIMIT)
    assert Turn.objects.count() == 1


def test_forms_keep_a_long_text(alices: Page, alice: User) -> None:
    alices.goto("/agents/new")
    alices.locator("[name=name]").fill("Ana")
    alices.locator("[name=key]").fill("ana")
    role = alices.locator("[name=role_prompt]")
    paste(role, "a" * 20_500)
    expect(alices.get_by_text("20,500 of 20,000 characters. Remove 500 to continue.")).to_be_visible()
    role.press("Tab")
    alices.locator("main form [type=submit]").first.click()
    expect(role).to_have_value("a" * 20_500)
    alices.goto("/rooms/new")
    alices.locator("[name=name]").fill("Room")
    goal = alices.locator("[name=goal]")
    paste(goal, "😀" * 4_000)  # two UTF-16 units each
    expect(alices.locator(".field-over")).to_have_count(0)
    goal.press_sequentially("x")
    expect(alices.get_by_text("4,001 of 4,000 characters. Remove 1 to continue.")).to_be_visible()
    alices.locator("main form [type=submit]").first.click()
    expect(goal).to_have_value("😀" * 4_000 + "x")
    assert not Agent.objects.exists()
    assert not Room.objects.exists()
