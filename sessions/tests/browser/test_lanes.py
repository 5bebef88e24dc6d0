"""Lanes of parallel answers: in columns of at least 360 px, and as tabs on a phone."""

from __future__ import annotations

import pytest
from playwright.sync_api import Locator, Page, expect

from accounts.models import User
from orchestration.models import LlmModel
from orchestration.tests.providers import Answer, Gate, Hold, OpenAIServer
from sessions.models import ChatSession
from sessions.tests.browser.looking import PHONE
from sessions.tests.browser.steps import ended, lane, open_session, send, text_of_lane, turn
from sessions.tests.factories import make_agent, make_room, make_session
from sessions.tests.support.councils import ROUTE, SYNTHESIZE, decision, says

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("nobody_runs")]

KEYS = ("ana", "bob", "cy", "dan")
MANY = (*KEYS, "eve")
LEAST_PX = 360


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


@pytest.fixture
def phone(alices: Page) -> Page:
    alices.set_viewport_size(PHONE)  # type: ignore[arg-type]
    return alices


def columns(page: Page) -> list[int]:
    """Return how many lanes of the newest turn stand in each row. Fails if one is narrower than it should be."""
    boxes = (
        turn(page)
        .locator(".lane:visible")
        .evaluate_all("lanes => lanes.map((lane) => lane.getBoundingClientRect())")
    )
    assert all(round(box["width"]) >= LEAST_PX for box in boxes), boxes
    tops = [box["y"] for box in boxes]
    return [tops.count(top) for top in sorted(set(tops))]


def tabs(page: Page) -> Locator:
    return turn(page).get_by_role("tab")


def tab(page: Page, name: str) -> Locator:
    return tabs(page).filter(has_text=name)


def test_on_a_phone_lanes_are_tabs_that_show_their_states(
    phone: Page, session: ChatSession, gates: dict[str, Gate]
) -> None:
    open_session(phone, session)
    send(phone, "@all what now?")
    expect(tabs(phone)).to_have_text([f"{key.title()} answering" for key in KEYS])
    expect(tab(phone, "Ana")).to_have_attribute("aria-selected", "true")
    expect(lane(phone, "bob")).to_be_hidden()
    tab(phone, "Bob").click()
    expect(text_of_lane(phone, "bob")).to_be_visible()
    expect(lane(phone, "ana")).to_be_hidden()
    expect(turn(phone).get_by_role("tabpanel", name="Bob answering")).to_be_visible()

    before = tab(phone, "Bob").bounding_box()
    gates["ana"].open()
    expect(tab(phone, "Ana")).to_have_text("Ana complete")
    expect(tab(phone, "Bob")).to_have_text("Bob answering")
    assert tab(phone, "Bob").bounding_box() == before, "nothing moves"
    for gate in gates.values():
        gate.open()
    ended(phone)
    expect(tabs(phone)).to_have_text([f"{key.title()} complete" for key in KEYS])
    expect(tab(phone, "Bob")).to_have_attribute("aria-selected", "true")
    expect(lane(phone, "bob").get_by_role("button", name="Copy the answer of Bob")).to_be_visible()

    phone.reload()
    expect(tab(phone, "Ana")).to_have_attribute("aria-selected", "true")
    expect(tabs(phone)).to_have_text([f"{key.title()} complete" for key in KEYS])
    expect(lane(phone, "bob")).to_be_hidden()
    tab(phone, "Dan").click()
    expect(text_of_lane(phone, "dan").locator("strong")).to_have_text("done")


def test_tabs_are_chosen_by_keyboard(phone: Page, session: ChatSession, gates: dict[str, Gate]) -> None:
    open_session(phone, session)
    send(phone, "@all what now?")
    expect(tabs(phone)).to_have_text([f"{key.title()} answering" for key in KEYS])
    tab(phone, "Ana").focus()
    for key, chosen in (
        ("ArrowRight", "Bob"),
        ("ArrowLeft", "Ana"),
        ("ArrowLeft", "Dan"),
        ("ArrowRight", "Ana"),
        ("End", "Dan"),
        ("Home", "Ana"),
        ("ArrowRight", "Bob"),
    ):
        phone.keyboard.press(key)
        expect(tab(phone, chosen)).to_be_focused()
        expect(tab(phone, chosen)).to_have_attribute("aria-selected", "true")
        expect(lane(phone, chosen.lower())).to_be_visible()
    expect(turn(phone).locator('[role="tab"][tabindex="0"]')).to_have_count(1)
    phone.keyboard.press("Tab")
    expect(lane(phone, "bob")).to_be_focused()
    tab(phone, "Bob").focus()
    for gate in gates.values():
        gate.open()
    ended(phone)
    expect(tab(phone, "Bob")).to_be_focused()


def test_the_chosen_tab_stays_where_the_stored_turn_takes_its_place(
    phone: Page, session: ChatSession, openai_server: OpenAIServer
) -> None:
    gate = Gate()
    openai_server.when(says("ana"), Answer(status=500), Answer("Here again."))
    openai_server.when(says("bob"), Answer(("I am ", "well."), at={1: Hold(gate)}))
    for key in ("cy", "dan"):
        openai_server.when(says(key), Answer(f"I am {key}."))
    open_session(phone, session)
    send(phone, "@all what now?")
    expect(tab(phone, "Ana")).to_have_text("Ana failed")
    expect(tab(phone, "Dan")).to_have_text("Dan complete")
    tab(phone, "Dan").click()
    expect(tab(phone, "Bob")).to_have_text("Bob answering")
    gate.open()
    ended(phone)  # a lane has failed: the whole turn is swapped
    expect(tab(phone, "Dan")).to_be_focused()
    expect(text_of_lane(phone, "dan")).to_be_visible()
    tab(phone, "Ana").click()
    lane(phone, "ana").get_by_role("button", name="Retry", exact=True).click()
    expect(turn(phone)).to_contain_text("version 2/2")
    ended(phone)
    expect(tab(phone, "Ana")).to_have_text("Ana complete")
    expect(tab(phone, "Ana")).to_have_attribute("aria-selected", "true")
    tab(phone, "Dan").click()
    turn(phone).get_by_role("link", name="Earlier version").click()
    expect(tab(phone, "Ana")).to_have_text("Ana failed")
    expect(text_of_lane(phone, "dan")).to_be_visible()


def test_a_stopped_lane_says_so_in_its_tab(phone: Page, session: ChatSession, gates: dict[str, Gate]) -> None:
    open_session(phone, session)
    send(phone, "@all what now?")
    expect(tabs(phone)).to_have_text([f"{key.title()} answering" for key in KEYS])
    phone.get_by_role("button", name="Stop").click()
    ended(phone)
    expect(tabs(phone)).to_have_text([f"{key.title()} stopped" for key in KEYS])


def test_lanes_become_tabs_in_a_narrow_window(
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
    phone: Page, session: ChatSession, openai_server: OpenAIServer
) -> None:
    for key in KEYS:
        openai_server.when(says(key), Answer("Short." if key == "ana" else "A paragraph.\n\n" * 60))
    open_session(phone, session)
    send(phone, "@all what now?")
    ended(phone)
    tab(phone, "Bob").click()
    # Two frames later whatever follows the end has done so.
    phone.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
    expect(lane(phone, "bob").get_by_role("heading", name="Bob")).to_be_in_viewport()
    tab(phone, "Ana").click()
    expect(turn(phone).locator(".receipt")).to_be_in_viewport()


def test_on_paper_all_lanes_are_there(phone: Page, session: ChatSession, gates: dict[str, Gate]) -> None:
    for gate in gates.values():
        gate.open()
    open_session(phone, session)
    send(phone, "@all what now?")
    ended(phone)
    phone.emulate_media(media="print")
    for key in KEYS:
        expect(lane(phone, key)).to_be_visible()
    expect(turn(phone).locator(".lane-tabs")).to_be_hidden()


def test_a_link_to_a_message_chooses_its_tab(
    phone: Page, session: ChatSession, gates: dict[str, Gate]
) -> None:
    for gate in gates.values():
        gate.open()
    open_session(phone, session)
    send(phone, "@all what now?")
    ended(phone)
    expect(lane(phone, "cy")).to_be_hidden()
    place = lane(phone, "cy").get_attribute("id")
    phone.goto("/")
    phone.goto(f"/sessions/{session.pk}#{place}")
    expect(lane(phone, "cy")).to_be_visible()
    expect(tab(phone, "Cy")).to_have_attribute("aria-selected", "true")


@pytest.mark.parametrize(
    ("width", "rows"),
    [
        (768, {2: [2], 3: [2, 1], 4: [2, 2], 5: [2, 2, 1]}),
        (1440, {2: [2], 3: [3], 4: [2, 2], 5: [3, 2]}),
        (1920, {2: [2], 3: [3], 4: [4], 5: [3, 2]}),
    ],
)
def test_answers_stand_in_columns_that_can_be_read(
    width: int,
    rows: dict[int, list[int]],
    alices: Page,
    alice: User,
    openai_model: LlmModel,
    openai_server: OpenAIServer,
) -> None:
    alices.set_viewport_size({"width": width, "height": 900})
    agents = [make_agent(alice, key, openai_model) for key in MANY]
    for count, expected in rows.items():
        gate = Gate()
        openai_server.when(says(MANY[0]), Answer(("I am ", "Ana."), at={1: Hold(gate)}))
        open_session(alices, make_session(alice, make_room(alice, *agents[:count])))
        send(alices, "@all what now?")
        expect(turn(alices).locator('.lane[data-state="complete"]')).to_have_count(count - 1)
        assert columns(alices) == expected, "while they stream"
        gate.open()
        ended(alices)
        assert columns(alices) == expected
        alices.reload()
        assert columns(alices) == expected
        expect(tabs(alices)).to_have_count(0)
        assert alices.evaluate("document.documentElement.scrollWidth") == width


def test_the_panels_give_way_to_columns(alices: Page, session: ChatSession, gates: dict[str, Gate]) -> None:
    for gate in gates.values():
        gate.open()
    sides = [alices.locator(f"#panel-{name}") for name in ("sessions", "council")]
    alices.set_viewport_size({"width": 1280, "height": 860})
    open_session(alices, session)
    send(alices, "@ana what now?")
    ended(alices)
    for side in sides:
        expect(side).to_be_visible()
    send(alices, "@ana @bob @cy and now?")
    ended(alices)
    assert columns(alices) == [3]
    for side in sides:
        expect(side).to_be_hidden()
    alices.get_by_role("button", name="Council").click()
    expect(sides[1]).to_be_visible()
    assert columns(alices) == [2, 1]
    alices.reload()
    expect(sides[1]).to_be_visible()  # the reader wanted it
    alices.set_viewport_size({"width": 1920, "height": 860})
    for side in sides:
        expect(side).to_be_visible()


def test_tabs_that_have_no_room_scroll(phone: Page, session: ChatSession, gates: dict[str, Gate]) -> None:
    for gate in gates.values():
        gate.open()
    open_session(phone, session)
    send(phone, "@all what now?")
    ended(phone)
    tops = {box["y"] for box in (each.bounding_box() for each in tabs(phone).all()) if box}
    assert len(tops) == 1
    tab(phone, "Ana").press("End")
    expect(tab(phone, "Dan")).to_be_in_viewport(ratio=1)
    assert phone.evaluate("document.documentElement.scrollWidth") == 360


def test_folded_steps_leave_the_panels_where_they_are(
    alices: Page, alice: User, openai_model: LlmModel, openai_server: OpenAIServer
) -> None:
    keys = KEYS[:3]
    openai_server.when(ROUTE, Answer(decision(*((key, "Go.") for key in keys))))
    openai_server.when(SYNTHESIZE, Answer("All together."))
    agents = [make_agent(alice, key, openai_model) for key in keys]
    room = make_room(alice, *agents, goal="Decide well.", mode="orchestrator")
    alices.set_viewport_size({"width": 1280, "height": 860})
    open_session(alices, make_session(alice, room))
    send(alices, "Shall we?")
    ended(alices)
    alices.reload()
    expect(alices.locator("#panel-council")).to_be_visible()
    alices.get_by_text("3 answers in 1 round").click()
    expect(alices.locator("#panel-council")).to_be_hidden()
    assert columns(alices)[0] == 3
