"""Editing messages of finished turns."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from accounts.models import User
from billing.tests.support.budgets import make_budget, spend
from orchestration.models import LlmModel
from orchestration.tests.providers import Answer, Gate, Hold, OpenAIServer
from sessions.models import ChatSession, Turn
from sessions.tests.browser.steps import (
    ask,
    editor,
    ended,
    open_session,
    open_summary,
    question,
    retry,
    send,
    text_of_lane,
    turn,
)
from sessions.tests.browser.watching import Watch
from sessions.tests.support.councils import says
from sessions.tests.support.pages import add_turns

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("nobody_runs")]


def edit(page: Page, number: int = -1) -> None:
    turn(page, number).get_by_role("button", name="Edit").click()


def test_a_message_is_edited_in_its_place(
    alices: Page, session: ChatSession, openai_server: OpenAIServer
) -> None:
    open_session(alices, session)
    send(alices, "@ana what now?")
    ended(alices)
    edit(alices)
    expect(editor(alices)).to_be_focused()
    expect(editor(alices)).to_have_value("@ana what now?")
    expect(question(alices)).to_be_hidden()
    editor(alices).fill("@bob what then?")
    alices.once("dialog", lambda dialog: dialog.accept())
    editor(alices).press("Escape")
    expect(editor(alices)).to_have_count(0)
    expect(question(alices)).to_have_text("@ana what now?")
    expect(turn(alices).get_by_role("button", name="Edit")).to_be_focused()

    gate = Gate()
    openai_server.when(says("bob"), Answer(("I am ", "well."), at={1: Hold(gate)}))
    edit(alices)
    expect(editor(alices)).to_have_value("@ana what now?")
    editor(alices).fill("@bob what then?")
    editor(alices).press("Control+Enter")
    expect(text_of_lane(alices, "bob")).to_have_text("I am")
    expect(alices.locator("[data-turn]")).to_have_count(1)
    expect(question(alices)).to_have_text("@bob what then?")
    expect(question(alices)).to_be_focused()
    gate.open()
    ended(alices)
    expect(turn(alices)).to_contain_text("version 2/2")
    expect(question(alices)).to_be_focused()
    turn(alices).get_by_role("link", name="Earlier version").click()
    expect(question(alices)).to_have_text("@ana what now?")
    expect(turn(alices).get_by_role("button", name="Edit")).to_have_count(0)


def test_what_was_edited_survives_a_refusal(
    alices: Page, alice: User, session: ChatSession, watch: Watch
) -> None:
    open_session(alices, session)
    send(alices, "@ana what now?")
    ended(alices)
    edit(alices)
    editor(alices).fill("what then?")
    watch.expect(422)
    turn(alices).get_by_role("button", name="Send").click()
    alert = turn(alices).get_by_role("alert")
    expect(alert).to_contain_text("Who should answer?")
    alert.get_by_role("button", name="@bob").click()
    expect(editor(alices)).to_have_value("@bob what then?")

    watch.expect("ERR_INTERNET_DISCONNECTED")
    alices.context.set_offline(True)
    editor(alices).press("Control+Enter")
    expect(alert).to_contain_text("The server can't be reached.")
    alices.context.set_offline(False)

    spend(make_budget("user", alice, usd=1, hard=True), 100)
    watch.expect(402)
    editor(alices).press("Control+Enter")
    expect(alert).to_contain_text("left in your budget")
    expect(editor(alices)).to_have_value("@bob what then?")
    alices.reload()
    edit(alices)
    expect(editor(alices)).to_have_value("@bob what then?")
    alices.once("dialog", lambda dialog: dialog.accept())
    turn(alices).get_by_role("button", name="Cancel").click()
    edit(alices)
    expect(editor(alices)).to_have_value("@ana what now?")
    assert Turn.objects.count() == 1


def test_an_edit_is_refused_if_the_session_has_moved_on(
    alices: Page, session: ChatSession, watch: Watch
) -> None:
    open_session(alices, session)
    send(alices, "@ana what now?")
    ended(alices)
    other = alices.context.new_page()
    open_session(other, session)
    edit(alices)
    editor(alices).fill("@ana what then?")
    ask(other, "@bob and you?")
    watch.expect(409)
    editor(alices).press("Control+Enter")
    expect(turn(alices).get_by_role("alert")).to_contain_text("This session changed")
    expect(editor(alices)).to_have_value("@ana what then?")
    assert Turn.objects.count() == 2


def test_an_overtaken_edit_continues_in_a_new_session(alices: Page, session: ChatSession) -> None:
    open_session(alices, session)
    send(alices, "@ana what now?")
    ended(alices)
    edit(alices)
    editor(alices).fill("@ana what then?")
    ask(alices, "@bob and you?")
    turn(alices, 0).get_by_role("button", name="Send").click()
    alices.wait_for_url(re.compile(rf"/sessions/(?!{session.pk})"))
    expect(alices.get_by_label("Message", exact=True)).to_have_value("@ana what then?")
    expect(alices.locator("[data-turn]")).to_have_count(0)
    assert Turn.objects.filter(session=session).count() == 2


def test_an_edit_waits_while_a_summary_is_made(
    alices: Page, session: ChatSession, openai_server: OpenAIServer
) -> None:
    open_session(alices, session)
    send(alices, "@ana what now?")
    ended(alices)
    gate = Gate()
    openai_server.default = Answer(("{", "}"), at={1: Hold(gate)})
    open_summary(alices).get_by_role("button", name="Summarize now").click()
    expect(alices.locator("[data-summary-stage]")).to_have_text("Summarizing…")
    edit(alices)
    editor(alices).fill("@ana what then?")
    editor(alices).press("Control+Enter")
    expect(turn(alices).get_by_role("alert")).to_have_text("Wait for the current turn to end.")
    gate.open()
    expect(alices.locator("[data-summary-stage]")).not_to_have_text("Summarizing…")
    editor(alices).press("Control+Enter")
    expect(question(alices)).to_have_text("@ana what then?")
    ended(alices)
    assert Turn.objects.filter(replaces__isnull=False).count() == 1


def test_an_older_message_is_edited_in_a_session_that_ends_before_it(
    alices: Page, session: ChatSession
) -> None:
    open_session(alices, session)
    send(alices, "@ana the first")
    ended(alices)
    retry(alices, "ana")
    expect(turn(alices)).to_contain_text("version 2/2")
    ended(alices)
    for text in ("@ana the second", "@ana the third"):
        ask(alices, text)
    edit(alices, 1)
    alices.wait_for_url(re.compile(rf"/sessions/(?!{session.pk})"))
    expect(alices.get_by_label("Message", exact=True)).to_have_value("@ana the second")
    expect(alices.locator("[data-question]")).to_have_text("@ana the first")
    ask(alices, "@ana the second, better")

    edit(alices, 0)  # nothing is before it
    expect(alices.get_by_label("Message", exact=True)).to_have_value("@ana the first")
    expect(alices.locator("[data-turn]")).to_have_count(0)


def test_the_first_message_of_a_page_is_edited_after_those_that_are_not_on_it(
    alices: Page, session: ChatSession, openai_model: LlmModel
) -> None:
    add_turns(session, openai_model, 60, answers=2)
    open_session(alices, session)
    index = int(turn(alices, 0).get_attribute("data-index") or 0)
    assert index > 1
    alices.locator(f'[data-turn][data-index="{index}"]').get_by_role("button", name="Edit").click()
    expect(alices.get_by_label("Message", exact=True)).to_have_value(f"Question {index}.")
    expect(question(alices)).to_have_text(f"Question {index - 1}.")
