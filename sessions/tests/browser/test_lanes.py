"""Lanes of parallel answers: side by side if there is room, else as tabs."""

from __future__ import annotations

import pytest
from playwright.sync_api import Locator, Page, expect

from accounts.models import User
from orchestration.models import LlmModel
from orchestration.tests.providers import Answer, Gate, Hold, OpenAIServer
from sessions.models import ChatSession
from sessions.tests.browser.steps import ended, lane, open_session, send, text_of_lane, turn
from sessions.tests.factories import make_agent, make_room, make_session
from sessions.tests.support.councils import says

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("nobody_runs")]

KEYS = ("ana", "bob", "cy", "dan")


@pytest.fixture
def session(alice: User, openai_model: LlmModel) -> ChatSession:
    return make_session(alice, make_room(alice, *(make_agent(alice, key, openai_model) for key in KEYS)))


@pytest.fixture
def gates(openai_server: OpenAIServer) -> dict[str, Gate]:
    """Answers of all four, each of which stops in its middle."""
    gates = {key: Gate() for key in KEYS}
    for key, gate in gates.items():
        openai_server.when(says(key), Answer((f"I am {key}, ", "and **done**."), at={1: Hold(gate)}))
    return gates


def tabs(page: Page) -> Locator:
    return turn(page).get_by_role("tab")


def tab(page: Page, name: str) -> Locator:
    return tabs(page).filter(has_text=name)


def test_four_lanes_are_tabs_that_show_their_states(
    alices: Page, session: ChatSession, gates: dict[str, Gate]
) -> None:
    open_session(alices, session)
    send(alices, "@all what now?")
    expect(tabs(alices)).to_have_text([f"{key.title()} answering" for key in KEYS])
    expect(tab(alices, "Ana")).to_have_attribute("aria-selected", "true")
    expect(lane(alices, "bob")).to_be_hidden()
    tab(alices, "Bob").click()
    expect(text_of_lane(alices, "bob")).to_be_visible()
    expect(lane(alices, "ana")).to_be_hidden()
    expect(turn(alices).get_by_role("tabpanel", name="Bob answering")).to_be_visible()

    before = tab(alices, "Bob").bounding_box()
    gates["ana"].open()
    expect(tab(alices, "Ana")).to_have_text("Ana complete")
    expect(tab(alices, "Bob")).to_have_text("Bob answering")
    assert tab(alices, "Bob").bounding_box() == before, "nothing moves"
    for gate in gates.values():
        gate.open()
    ended(alices)
    expect(tabs(alices)).to_have_text([f"{key.title()} complete" for key in KEYS])
    expect(tab(alices, "Bob")).to_have_attribute("aria-selected", "true")
    expect(lane(alices, "bob").get_by_role("button", name="Copy the answer of Bob")).to_be_visible()

    alices.reload()
    expect(tab(alices, "Ana")).to_have_attribute("aria-selected", "true")
    expect(tabs(alices)).to_have_text([f"{key.title()} complete" for key in KEYS])
    expect(lane(alices, "bob")).to_be_hidden()
    tab(alices, "Dan").click()
    expect(text_of_lane(alices, "dan").locator("strong")).to_have_text("done")


def test_tabs_are_chosen_by_keyboard(alices: Page, session: ChatSession, gates: dict[str, Gate]) -> None:
    open_session(alices, session)
    send(alices, "@all what now?")
    expect(tabs(alices)).to_have_text([f"{key.title()} answering" for key in KEYS])
    tab(alices, "Ana").focus()
    for key, chosen in (
        ("ArrowRight", "Bob"),
        ("ArrowLeft", "Ana"),
        ("ArrowLeft", "Dan"),
        ("ArrowRight", "Ana"),
        ("End", "Dan"),
        ("Home", "Ana"),
        ("ArrowRight", "Bob"),
    ):
        alices.keyboard.press(key)
        expect(tab(alices, chosen)).to_be_focused()
        expect(tab(alices, chosen)).to_have_attribute("aria-selected", "true")
        expect(lane(alices, chosen.lower())).to_be_visible()
    expect(turn(alices).locator('[role="tab"][tabindex="0"]')).to_have_count(1)
    alices.keyboard.press("Tab")
    expect(lane(alices, "bob")).to_be_focused()
    tab(alices, "Bob").focus()
    for gate in gates.values():
        gate.open()
    ended(alices)
    expect(tab(alices, "Bob")).to_be_focused()


def test_the_chosen_tab_stays_where_the_stored_turn_takes_its_place(
    alices: Page, session: ChatSession, openai_server: OpenAIServer
) -> None:
    gate = Gate()
    openai_server.when(says("ana"), Answer(status=500), Answer("Here again."))
    openai_server.when(says("bob"), Answer(("I am ", "well."), at={1: Hold(gate)}))
    for key in ("cy", "dan"):
        openai_server.when(says(key), Answer(f"I am {key}."))
    open_session(alices, session)
    send(alices, "@all what now?")
    expect(tab(alices, "Ana")).to_have_text("Ana failed")
    expect(tab(alices, "Dan")).to_have_text("Dan complete")
    tab(alices, "Dan").click()
    expect(tab(alices, "Bob")).to_have_text("Bob answering")
    gate.open()
    ended(alices)  # a lane has failed: the whole turn is swapped
    expect(tab(alices, "Dan")).to_be_focused()
    expect(text_of_lane(alices, "dan")).to_be_visible()
    turn(alices).locator("[data-turn-foot]").get_by_role("button", name="Try again").click()
    expect(turn(alices)).to_contain_text("version 2/2")
    ended(alices)
    expect(tab(alices, "Ana")).to_have_text("Ana complete")
    expect(tab(alices, "Dan")).to_have_attribute("aria-selected", "true")
    turn(alices).get_by_role("link", name="Earlier version").click()
    expect(tab(alices, "Ana")).to_have_text("Ana failed")
    expect(text_of_lane(alices, "dan")).to_be_visible()


def test_a_stopped_lane_says_so_in_its_tab(
    alices: Page, session: ChatSession, gates: dict[str, Gate]
) -> None:
    open_session(alices, session)
    send(alices, "@all what now?")
    expect(tabs(alices)).to_have_text([f"{key.title()} answering" for key in KEYS])
    alices.get_by_role("button", name="Stop").click()
    ended(alices)
    expect(tabs(alices)).to_have_text([f"{key.title()} stopped" for key in KEYS])


def test_two_lanes_are_tabs_on_a_phone_alone(
    alices: Page, session: ChatSession, gates: dict[str, Gate]
) -> None:
    open_session(alices, session)
    send(alices, "@ana @bob what now?")
    for key in ("ana", "bob"):
        expect(lane(alices, key)).to_be_visible()
        expect(lane(alices, key)).to_have_attribute("role", "article")
    expect(tabs(alices)).to_have_count(0)
    before = [lane(alices, key).bounding_box() for key in ("ana", "bob")]
    gates["ana"].open()
    expect(lane(alices, "ana")).to_have_attribute("data-state", "complete")
    assert [lane(alices, key).bounding_box() for key in ("ana", "bob")] == before, "nothing jumps"

    alices.set_viewport_size({"width": 360, "height": 740})
    expect(tabs(alices)).to_have_text(["Ana complete", "Bob answering"])
    expect(lane(alices, "bob")).to_be_hidden()
    tab(alices, "Bob").click()
    expect(turn(alices).get_by_role("tabpanel")).to_have_attribute("data-agent-key", "bob")
    gates["bob"].open()
    ended(alices)
    expect(text_of_lane(alices, "bob").locator("strong")).to_be_visible()
    expect(lane(alices, "ana")).to_be_hidden()
    assert alices.evaluate("document.documentElement.scrollWidth") == 360
    alices.set_viewport_size({"width": 1280, "height": 860})
    for key in ("ana", "bob"):
        expect(lane(alices, key)).to_be_visible()
        expect(lane(alices, key)).to_have_attribute("role", "article")


def test_a_longer_lane_is_read_from_its_top(
    alices: Page, session: ChatSession, openai_server: OpenAIServer
) -> None:
    for key in KEYS:
        openai_server.when(says(key), Answer("Short." if key == "ana" else "A paragraph.\n\n" * 60))
    open_session(alices, session)
    send(alices, "@all what now?")
    ended(alices)
    tab(alices, "Bob").click()
    # Two frames later whatever follows the end has done so.
    alices.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
    expect(lane(alices, "bob").get_by_role("heading", name="Bob")).to_be_in_viewport()
    tab(alices, "Ana").click()
    expect(turn(alices).locator(".receipt")).to_be_in_viewport()


def test_on_paper_all_lanes_are_there(alices: Page, session: ChatSession, gates: dict[str, Gate]) -> None:
    for gate in gates.values():
        gate.open()
    open_session(alices, session)
    send(alices, "@all what now?")
    ended(alices)
    alices.emulate_media(media="print")
    for key in KEYS:
        expect(lane(alices, key)).to_be_visible()
    expect(turn(alices).locator(".lane-tabs")).to_be_hidden()


def test_a_link_to_a_message_chooses_its_tab(
    alices: Page, session: ChatSession, gates: dict[str, Gate]
) -> None:
    for gate in gates.values():
        gate.open()
    open_session(alices, session)
    send(alices, "@all what now?")
    ended(alices)
    expect(lane(alices, "cy")).to_be_hidden()
    place = lane(alices, "cy").get_attribute("id")
    alices.goto("/")
    alices.goto(f"/sessions/{session.pk}#{place}")
    expect(lane(alices, "cy")).to_be_visible()
    expect(tab(alices, "Cy")).to_have_attribute("aria-selected", "true")
