"""Errors say what happened and what to do, and lose no text that the user wrote."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from accounts.models import User
from billing.tests.support.budgets import make_budget, spend
from orchestration.models import LlmModel
from orchestration.tests.providers import Answer, Gate, Hold, OpenAIServer
from sessions.models import ChatSession, Turn
from sessions.tests.browser.steps import ended, lane, open_session, send, text_of_lane, turn
from sessions.tests.browser.watching import Watch
from sessions.tests.factories import make_agent, make_room, make_session
from sessions.tests.support.councils import says

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("nobody_runs")]


@pytest.fixture
def session(alice: User, openai_model: LlmModel) -> ChatSession:
    agents = [make_agent(alice, key, openai_model) for key in ("ana", "bob")]
    return make_session(alice, make_room(alice, *agents))


def test_a_message_without_a_tag_offers_the_tags(alices: Page, session: ChatSession, watch: Watch) -> None:
    open_session(alices, session)
    alices.get_by_role("button", name="Remove Everyone").click()
    watch.expect(422)
    send(alices, "what now?")
    alert = alices.get_by_role("alert")
    expect(alert).to_contain_text("Who should answer?")
    expect(alices.get_by_label("Message", exact=True)).to_have_value("what now?")
    alices.get_by_role("group", name="Mention an agent").get_by_role("button", name="@bob").click()
    expect(alices.get_by_label("Message", exact=True)).to_have_value("what now? @bob ")
    alices.get_by_label("Message", exact=True).press("Enter")
    ended(alices)
    expect(lane(alices, "bob")).to_have_attribute("data-state", "complete")
    expect(alert).to_be_hidden()


def test_the_offer_of_tags_goes_when_it_is_heeded(alices: Page, session: ChatSession, watch: Watch) -> None:
    open_session(alices, session)
    alices.get_by_role("button", name="Remove Everyone").click()
    watch.expect(422)
    box, alert = alices.get_by_label("Message", exact=True), alices.get_by_role("alert")
    send(alices, "what now?")
    expect(alert).to_contain_text("Who should answer?")
    box.press_sequentially(" @bo")
    expect(alert).to_be_visible()
    box.press_sequentially("b")
    expect(alert).to_be_hidden()
    send(alices, "what now?")
    expect(alert).to_be_visible()
    box.fill("")
    expect(alert).to_be_hidden()


def test_enter_while_an_answer_comes_says_why_nothing_is_sent(
    alices: Page, session: ChatSession, openai_server: OpenAIServer
) -> None:
    gate = Gate()
    openai_server.when(says("ana"), Answer(("One ", "two."), at={1: Hold(gate)}))
    open_session(alices, session)
    send(alices, "@ana count")
    expect(text_of_lane(alices, "ana")).to_have_text("One")
    said = alices.get_by_text("Wait for the current answer")
    send(alices, "@bob and you?")
    expect(said).to_be_visible()
    expect(alices.get_by_label("Message", exact=True)).to_have_value("@bob and you?")
    gate.open()
    ended(alices)
    expect(said).to_be_hidden()


def test_a_hard_budget_says_which_and_until_when(
    alices: Page, alice: User, session: ChatSession, watch: Watch, openai_server: OpenAIServer
) -> None:
    spend(make_budget("user", alice, usd=1, hard=True), 100)
    open_session(alices, session)
    watch.expect(402)
    send(alices, "@ana what now?")
    alert = alices.get_by_role("alert")
    expect(alert).to_contain_text("$0.00 of $1.00 left in your budget this month")
    expect(alert).to_contain_text("Resets")
    expect(alices.get_by_label("Message", exact=True)).to_have_value("@ana what now?")
    alert.get_by_role("link", name="View budgets").click()
    expect(alices.get_by_role("heading", name="Budgets")).to_be_in_viewport()
    assert not Turn.objects.exists()
    assert not openai_server.served


def test_a_provider_that_fails_can_be_asked_again(
    alices: Page, session: ChatSession, openai_server: OpenAIServer
) -> None:
    openai_server.when(says("ana"), Answer("I am well."))
    openai_server.when(says("bob"), Answer(status=500), Answer("Here again."))
    open_session(alices, session)
    send(alices, "@all how are you?")
    ended(alices)
    expect(lane(alices, "bob")).to_have_attribute("data-state", "failed")
    expect(turn(alices)).to_contain_text("Some agents failed")
    lane(alices, "bob").locator(".lane-fault").get_by_role("button", name="Retry", exact=True).click()
    expect(text_of_lane(alices, "bob")).to_have_text("Here again.")
    ended(alices)
    expect(text_of_lane(alices, "ana")).to_have_text("I am well.")
    expect(turn(alices)).to_contain_text("version 2/2")
    assert len(openai_server.served) == 3
