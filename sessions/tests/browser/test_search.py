"""Search: the field in the bar, its keys, and links that open a session at the message."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from accounts.models import User
from orchestration.models import LlmModel
from sessions.models import ChatSession, Message, Turn
from sessions.selectors.pages import MESSAGES_PER_PAGE
from sessions.tests.browser.steps import Opened, address_of, open_session, sign_in, turn
from sessions.tests.factories import make_agent, make_room, make_session
from sessions.tests.support.pages import add_turns
from sessions.tests.support.server_process import ServerProcess

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("nobody_runs")]


@pytest.fixture
def session(alice: User, openai_model: LlmModel) -> ChatSession:
    session = make_session(alice, make_room(alice, make_agent(alice, "ana", openai_model)))
    ChatSession.objects.update(title="About the harbour")
    return session


def rewrite(turn: Turn, role: str, text: str) -> Message:
    message = turn.messages.filter(role=role).get()
    Message.objects.filter(pk=message.pk).update(text=text)
    return message


def search(page: Page, query: str) -> None:
    page.keyboard.press("Control+k")
    page.keyboard.type(query)
    page.keyboard.press("Enter")


def test_the_field_beside_a_page_leads_to_the_results(alices: Page, session: ChatSession) -> None:
    open_session(alices, session)
    field = alices.get_by_role("searchbox", name="Search my messages, titles and files")
    field.fill("harbour")
    field.press("Enter")
    expect(alices).to_have_url(re.compile(r"/search\?q=harbour$"))
    expect(field).to_have_value("harbour")
    expect(alices.locator("mark")).to_have_text("harbour")


def test_a_find_opens_the_session_at_the_message(
    alices: Page, session: ChatSession, openai_model: LlmModel
) -> None:
    turns = add_turns(session, openai_model, 20)
    said = rewrite(turns[11], "agent", "The needle is here.")
    alices.goto("/")
    search(alices, "needle")
    alices.get_by_role("link", name="The needle is here.").click()
    message = alices.locator(f"#message-{said.pk}")
    expect(message).to_be_focused()
    expect(message).to_be_in_viewport()
    expect(alices.get_by_label("Message", exact=True)).to_be_visible()
    expect(turn(alices)).not_to_be_in_viewport()  # nothing draws the reader to the end


def test_a_message_far_back_is_reached_and_what_was_before_it(
    alices: Page, session: ChatSession, openai_model: LlmModel
) -> None:
    turns = add_turns(session, openai_model, 120)
    rewrite(turns[40], "user", "Where is the needle?")
    alices.goto("/search?q=needle")
    alices.get_by_role("link", name="Where is the needle?").click()
    expect(alices.locator(f"#turn-{turns[40].pk}")).to_be_focused()
    expect(alices.get_by_text("Where is the needle?")).to_be_in_viewport()
    expect(alices.get_by_text("You are reading older messages.")).to_be_visible()
    alices.get_by_role("link", name="Older messages").click()
    expect(alices.locator(f"#turn-{turns[40 - MESSAGES_PER_PAGE // 2].pk}")).to_be_attached()
    alices.get_by_role("link", name="Jump to latest").click()
    expect(alices.locator(f"#turn-{turns[119].pk}")).to_be_in_viewport()


def test_a_message_of_a_replaced_turn_is_reached_too(
    alices: Page, session: ChatSession, openai_model: LlmModel
) -> None:
    old, new = add_turns(session, openai_model, 2)
    said = rewrite(old, "agent", "The needle is here.")
    alices.goto("/search?q=needle")
    Turn.objects.filter(pk=new.pk).update(replaces=old)
    alices.get_by_role("link", name="The needle is here.").click()
    expect(alices.locator(f"#message-{said.pk}")).to_be_focused()
    expect(alices.get_by_text("You are reading an earlier version.")).to_be_visible()


def test_a_step_that_is_folded_away_unfolds(
    alices: Page, session: ChatSession, openai_model: LlmModel
) -> None:
    (only,) = add_turns(session, openai_model, 1, answers=2)
    Turn.objects.update(mode="orchestrator")
    only.messages.filter(agent_key="agent-2").update(purpose="synthesize", role="manager", agent_key="")
    said = rewrite(only, "agent", "The needle is here.")
    alices.goto("/search?q=needle")
    alices.get_by_role("link", name="The needle is here.").click()
    expect(alices.locator(f"#message-{said.pk}")).to_be_focused()
    expect(alices.locator(f"#message-{said.pk}")).to_be_visible()


def test_on_a_phone_a_magnifier_leads_to_the_page(
    open_context: Opened, server: ServerProcess, alice: User, session: ChatSession
) -> None:
    context = open_context(viewport={"width": 360, "height": 740})
    sign_in(context, address_of(server), alice)
    page = context.new_page()
    page.goto("/")
    page.get_by_role("link", name="Search", exact=True).click()
    field = page.get_by_role("searchbox")
    expect(field).to_be_focused()
    field.fill("harbour")
    page.get_by_role("button", name="Search").click()
    expect(page.get_by_role("list", name="Results").get_by_role("link")).to_have_count(1)
