"""A long session: the newest page first, older ones on scrolling, without moving the reader's position."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from accounts.models import User
from orchestration.models import LlmModel
from sessions.models import ChatSession
from sessions.tests.browser.steps import ended, open_session, send
from sessions.tests.browser.watching import Watch
from sessions.tests.factories import make_agent, make_room, make_session
from sessions.tests.support.pages import add_turns

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("nobody_runs")]

TURNS = 120
PLACE = """(scroll) => {
  const top = scroll.getBoundingClientRect().top;
  const turns = [...scroll.querySelectorAll("[data-turn]")];
  const first = turns.find((turn) => turn.getBoundingClientRect().bottom > top);
  return [first.dataset.index, first.getBoundingClientRect().top - top];
}"""
SCROLL_UP = f"(scroll) => {{ scroll.scrollTop = 300; return ({PLACE})(scroll); }}"


@pytest.fixture
def session(alice: User, openai_model: LlmModel) -> ChatSession:
    session = make_session(alice, make_room(alice, make_agent(alice, "ana", openai_model)))
    add_turns(session, openai_model, TURNS)
    return session


def indexes(page: Page) -> list[int]:
    shown = page.locator("[data-turn]").evaluate_all(
        "turns => turns.map((turn) => Number(turn.dataset.index))"
    )
    return [int(index) for index in shown]


@pytest.mark.parametrize("width", [1280, 360])
def test_scrolling_back_leads_to_the_first_message_and_loses_no_place(
    width: int, alices: Page, session: ChatSession
) -> None:
    alices.set_viewport_size({"width": width, "height": 740})
    requests: list[str] = []
    alices.on("request", lambda request: requests.append(request.url) if "/older" in request.url else None)
    open_session(alices, session)
    expect(alices.get_by_text(f"Question {TURNS}.")).to_be_in_viewport()
    scroll = alices.locator("[data-scroll]")
    for _ in range(TURNS):
        shown = indexes(alices)
        if shown[0] == 1:
            break
        with alices.expect_response("**/older**"):
            before = scroll.evaluate(SCROLL_UP)
        alices.wait_for_function(
            "(count) => document.querySelectorAll('[data-turn]').length > count", arg=len(shown)
        )
        (turn_before, top_before), (turn_now, top_now) = before, scroll.evaluate(PLACE)
        assert turn_now == turn_before
        assert top_now == pytest.approx(top_before, abs=1)  # a pixel is the finest that a place is
    assert indexes(alices) == list(range(1, TURNS + 1))
    expect(alices.get_by_role("link", name="Older messages")).to_have_count(0)
    scroll.evaluate("(scroll) => { scroll.scrollTop = 0; }")
    expect(alices.get_by_text("Question 1.", exact=True)).to_be_in_viewport()
    assert len(requests) == len(set(requests)), "nothing is asked for twice"
    send(alices, "@ana go on")
    ended(alices)
    expect(alices.get_by_text("@ana go on").last).to_be_in_viewport()


def test_older_messages_come_by_keyboard(alices: Page, session: ChatSession) -> None:
    open_session(alices, session)
    expect(alices.get_by_text(f"Question {TURNS}.")).to_be_in_viewport()
    first = indexes(alices)[0]
    # The page that loads what comes near is the keyboard's too: the link is there for who asks for more.
    link = alices.get_by_role("link", name="Older messages")
    link.focus()
    alices.keyboard.press("Enter")
    alices.wait_for_function(
        "(first) => Number(document.querySelector('[data-turn]').dataset.index) < first", arg=first
    )
    expect(link).to_be_focused()


def test_older_messages_that_cannot_be_had_can_be_asked_for_again(
    alices: Page, session: ChatSession, watch: Watch
) -> None:
    open_session(alices, session)
    expect(alices.get_by_text(f"Question {TURNS}.")).to_be_in_viewport()
    shown = len(indexes(alices))
    watch.expect("ERR_INTERNET_DISCONNECTED")
    alices.context.set_offline(True)
    link = alices.get_by_role("link", name="Older messages")
    with alices.expect_event("requestfailed"):
        alices.locator("[data-scroll]").evaluate("(scroll) => { scroll.scrollTop = 0; }")
    expect(link).to_have_text("Older messages")
    alices.context.set_offline(False)
    link.click()
    alices.wait_for_function("(count) => document.querySelectorAll('[data-turn]').length > count", arg=shown)
