"""Compare: the answers of a turn over the full width, and what only one of them says."""

from __future__ import annotations

import pytest
from playwright.sync_api import Locator, Page, expect

from accounts.models import User
from orchestration.models import LlmModel
from orchestration.tests.providers import Answer, OpenAIServer
from sessions.models import ChatSession
from sessions.tests.browser.looking import PHONE
from sessions.tests.browser.steps import ended, open_session, send, turn
from sessions.tests.factories import make_agent, make_room, make_session
from sessions.tests.support.councils import says

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("nobody_runs")]

COMMON = "The rent of the corner shop is 900 a month."
ALMOST = "The rent of that corner shop is 900 each month."
ALONE = "The **roof** leaks when it rains."
FILLER = "\n\n".join(f"Paragraph {number}." for number in range(120))


@pytest.fixture
def session(alice: User, openai_model: LlmModel) -> ChatSession:
    return make_session(
        alice, make_room(alice, *(make_agent(alice, key, openai_model) for key in ("ana", "bob")))
    )


def compare(page: Page, session: ChatSession, server: OpenAIServer, ana: str, bob: str) -> Locator:
    """Have two answers given and opened beside each other."""
    server.when(says("ana"), Answer(ana))
    server.when(says("bob"), Answer(bob))
    open_session(page, session)
    send(page, "@all what now?")
    ended(page)
    turn(page).get_by_role("button", name="Compare").click()
    return page.get_by_role("dialog", name="Compare answers")


def column(dialog: Locator, number: int) -> Locator:
    return dialog.locator("[data-compare-column]").nth(number - 1)


def test_what_only_one_answer_says_is_marked(
    alices: Page, session: ChatSession, openai_server: OpenAIServer
) -> None:
    code = "```text\nonly the first answer has these lines of code\n```"
    dialog = compare(alices, session, openai_server, f"{COMMON} {ALONE}\n\n{code}", f"- {ALMOST}\n- Yes.")
    marked = column(dialog, 1).locator("mark")
    assert "".join(marked.all_inner_texts()) == "The roof leaks when it rains."
    expect(column(dialog, 1)).to_contain_text("1 sentence only here")
    expect(column(dialog, 2).locator("mark")).to_have_count(0)
    expect(column(dialog, 2)).to_contain_text("0 sentences only here")
    expect(dialog).to_contain_text("share less than half of their words")
    dialog.get_by_label("Highlight differences").uncheck()
    background = "mark => getComputedStyle(mark).backgroundColor"
    assert marked.first.evaluate(background) == "rgba(0, 0, 0, 0)"
    expect(turn(alices).locator("mark")).to_have_count(0)


def test_sentences_without_spaces_are_compared(
    alices: Page, session: ChatSession, openai_server: OpenAIServer
) -> None:
    dialog = compare(
        alices,
        session,
        openai_server,
        "店铺的租金是每月九百元。屋顶下雨时会漏水。",
        "这家店铺的租金是每月九百元。",
    )
    assert "".join(column(dialog, 1).locator("mark").all_inner_texts()) == "屋顶下雨时会漏水。"
    expect(column(dialog, 2).locator("mark")).to_have_count(0)


def test_nothing_is_highlighted_at_first_if_the_answers_have_little_in_common(
    alices: Page, session: ChatSession, openai_server: OpenAIServer
) -> None:
    dialog = compare(
        alices, session, openai_server, f"{COMMON} {ALONE} Ask the owner twice.", "Buy the whole house."
    )
    switch = dialog.get_by_label("Highlight differences")
    expect(switch).not_to_be_checked()
    expect(dialog).to_contain_text("little in common: 4 of 4 sentences are in one of them only")
    background = "mark => getComputedStyle(mark).backgroundColor"
    marked = column(dialog, 1).locator("mark").first
    assert marked.evaluate(background) == "rgba(0, 0, 0, 0)"
    switch.check()
    assert marked.evaluate(background) != "rgba(0, 0, 0, 0)"
    expect(dialog).to_contain_text("share less than half of their words")
    expect(dialog.get_by_text("little in common")).to_be_hidden()


def test_a_long_answer_is_compared_in_part_and_says_so(
    alices: Page, session: ChatSession, openai_server: OpenAIServer
) -> None:
    long = " ".join(f"Sentence number {number} is here." for number in range(300))
    dialog = compare(alices, session, openai_server, long, ALONE)
    expect(dialog).to_contain_text("Only the first 200 sentences of each answer are compared.")


def test_columns_scroll_together_if_wanted(
    alices: Page, session: ChatSession, openai_server: OpenAIServer
) -> None:
    dialog = compare(alices, session, openai_server, FILLER, FILLER + "\n\n" + FILLER)
    first, second = column(dialog, 1), column(dialog, 2)
    first.hover()
    first.evaluate("column => column.scrollTo(0, column.scrollHeight)")
    at_end = "column => column.scrollHeight - column.scrollTop - column.clientHeight < 2"
    alices.wait_for_function(f"() => ({at_end})(document.querySelectorAll('[data-compare-column]')[1])")
    expect(second.get_by_role("heading", name="Bob")).to_be_in_viewport()
    dialog.get_by_label("Scroll together").uncheck()
    first.hover()
    first.evaluate("column => column.scrollTo(0, 0)")
    alices.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
    assert second.evaluate(at_end)


def test_digits_lead_to_an_answer_and_escape_leads_back(
    alices: Page, session: ChatSession, openai_server: OpenAIServer
) -> None:
    alices.set_viewport_size(PHONE)  # type: ignore[arg-type]
    dialog = compare(alices, session, openai_server, COMMON, ALONE)
    expect(column(dialog, 1)).to_be_focused()
    alices.keyboard.press("2")
    expect(column(dialog, 2)).to_be_focused()
    expect(column(dialog, 2).get_by_role("heading", name="Bob")).to_be_in_viewport(ratio=1)
    alices.keyboard.press("9")
    expect(column(dialog, 2)).to_be_focused()
    alices.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    expect(turn(alices).get_by_role("button", name="Compare")).to_be_focused()
    turn(alices).get_by_role("button", name="Compare").press("Enter")
    expect(dialog).to_be_visible()
    alices.go_back()
    expect(dialog).to_be_hidden()
    expect(turn(alices)).to_be_visible()


def test_an_answer_that_is_alone_is_not_compared(alices: Page, session: ChatSession) -> None:
    open_session(alices, session)
    send(alices, "@ana what now?")
    ended(alices)
    expect(turn(alices).get_by_role("button", name="Compare")).to_have_count(0)
