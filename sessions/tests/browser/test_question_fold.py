"""A long message is folded as soon as it is sent, and expands in place."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Locator, Page, expect

from accounts.models import User
from orchestration.models import LlmModel
from orchestration.tests.providers import Answer, Gate, Hold, OpenAIServer
from sessions.models import ChatSession
from sessions.tests.browser.looking import PHONE
from sessions.tests.browser.steps import ended, open_session, send, text_of_lane, turn
from sessions.tests.factories import make_agent, make_room, make_session
from sessions.tests.support.councils import says

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("nobody_runs")]

LONG = "@ana" + " what is to be said of this and of that?" * 700
FOLDED_PX = 260


@pytest.fixture
def session(alice: User, openai_model: LlmModel) -> ChatSession:
    return make_session(
        alice, make_room(alice, *(make_agent(alice, key, openai_model) for key in ("ana", "bob")))
    )


@pytest.fixture
def gate() -> Iterator[Gate]:
    gate = Gate()
    yield gate
    gate.open()


def height(element: Locator) -> float:
    box = element.bounding_box()
    assert box
    return box["height"]


def test_a_long_message_is_folded_and_opened_by_key(
    alices: Page, session: ChatSession, openai_server: OpenAIServer, gate: Gate
) -> None:
    openai_server.when(says("ana"), Answer(["Well, ", "yes."], at={1: Hold(gate)}))
    open_session(alices, session)
    send(alices, LONG)
    question, fold = turn(alices).locator("[data-question]"), turn(alices).locator("[data-question-fold]")
    expect(text_of_lane(alices, "ana")).to_have_text("Well,")
    assert height(question) < FOLDED_PX, "while the answer streams"

    more = fold.locator("summary")
    more.focus()
    more.press("Enter")
    expect(more).to_have_text("Show less", use_inner_text=True)
    assert height(question) > 5 * FOLDED_PX
    expect(question).to_be_in_viewport()
    gate.open()
    ended(alices)
    assert height(question) > 5 * FOLDED_PX, "the stored turn is as open"
    expect(more).to_be_focused()
    more.press("Enter")
    assert height(question) < FOLDED_PX
    expect(more).to_be_in_viewport()

    alices.reload()
    expect(more).to_have_text("Show the whole message", use_inner_text=True)
    assert height(question) < FOLDED_PX
    expect(question).to_have_text(LONG)
    turn(alices).get_by_role("button", name="Edit").click()
    expect(turn(alices).get_by_label("Your message")).to_have_value(LONG)
    expect(more).to_be_hidden()
    turn(alices).get_by_label("Your message").press("Escape")
    alices.set_viewport_size(PHONE)  # type: ignore[arg-type]
    assert height(question) < FOLDED_PX
    alices.emulate_media(media="print")
    assert height(question) > 5 * FOLDED_PX
    expect(more).to_be_hidden()


def test_a_short_message_has_no_fold(alices: Page, session: ChatSession) -> None:
    open_session(alices, session)
    send(alices, "@ana one\ntwo\nthree")
    ended(alices)
    expect(turn(alices).locator("[data-question-fold]")).to_be_hidden()
    alices.reload()
    expect(turn(alices).locator("[data-question-fold]")).to_be_hidden()
