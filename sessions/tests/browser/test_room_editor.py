"""The order of a council: by dragging, by buttons and by keys, in the room's form and beside the conversation."""

from __future__ import annotations

import re
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from accounts.models import User
from orchestration.models import LlmModel
from sessions.models import ChatSession, Room
from sessions.selectors.pages import agents_in
from sessions.services.rooms import room_set_agents
from sessions.tests.browser.steps import Opened, address_of, open_session, sign_in
from sessions.tests.browser.watching import Watch
from sessions.tests.factories import make_agent, make_room, make_session
from sessions.tests.support.server_process import ServerProcess

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("nobody_runs")]

KEYS = ("ana", "bob", "cy")
SLIDES = "document.getAnimations().filter((each) => !(each instanceof CSSTransition)).length"


@pytest.fixture
def room(alice: User, openai_model: LlmModel) -> Room:
    return make_room(alice, *(make_agent(alice, key, openai_model) for key in KEYS))


@pytest.fixture
def session(alice: User, room: Room) -> ChatSession:
    return make_session(alice, room)


def seated(room: Room) -> list[str]:
    return [agent.key for agent in agents_in(room)]


def keys_of(rows: Locator) -> list[str]:
    return [text.strip() for text in rows.locator("code").all_inner_texts()]


def council(page: Page) -> Locator:
    return page.locator("[data-council] > li")


def told(page: Page, sentence: str) -> None:
    expect(page.locator("[data-announcer]")).to_have_text(re.compile(re.escape(sentence) + "$"))


def saved(page: Page) -> None:
    expect(page.locator("[data-council-status]")).to_contain_text("Order saved")


def middle(element: Locator) -> tuple[float, float]:
    box = element.bounding_box()
    assert box is not None
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def begin_drag(page: Page, row: Locator, to: Locator, *, below: bool) -> None:
    """Take a row by its handle to the upper or lower end of another, and hold it there."""
    page.set_viewport_size({"width": 1280, "height": 1000})
    page.mouse.move(*middle(row.locator("[data-handle]")))
    page.mouse.down()
    box = to.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + 20, box["y"] + (box["height"] - 4 if below else 4), steps=4)


def test_seats_are_dragged_into_their_order(alices: Page, room: Room) -> None:
    alices.goto(f"/rooms/{room.pk}/edit")
    seats = alices.locator("[data-seats] > li")
    begin_drag(alices, seats.nth(0), seats.nth(2), below=True)
    expect(seats.nth(2)).to_have_class("seat reorder-after")
    expect(seats.nth(0)).to_have_class("seat reorder-dragged")
    alices.mouse.up()
    told(alices, "Ana is now 3rd of 3.")
    assert keys_of(seats) == ["@bob", "@cy", "@ana"]
    begin_drag(alices, seats.nth(2), seats.nth(1), below=False)
    expect(seats.nth(1)).to_have_class("seat reorder-before")
    alices.keyboard.press("Escape")
    alices.mouse.up()
    assert keys_of(seats) == ["@bob", "@cy", "@ana"], "Escape leaves it where it was"
    expect(alices.locator(".reorder-dragged, .reorder-before, .reorder-after")).to_have_count(0)
    alices.get_by_role("button", name="Save").click()
    expect(alices.locator("[data-council]")).to_be_visible()
    assert seated(room) == ["bob", "cy", "ana"]


def test_seats_are_moved_by_buttons_and_keys(alices: Page, room: Room) -> None:
    alices.goto(f"/rooms/{room.pk}/edit")
    seats = alices.locator("[data-seats] > li")
    alices.get_by_role("button", name="Move Cy up").press("Enter")
    told(alices, "Cy is now 2nd of 3.")
    expect(alices.get_by_role("button", name="Move Cy up")).to_be_focused()
    alices.get_by_role("checkbox", name="Cy").press("Alt+ArrowUp")
    told(alices, "Cy is now 1st of 3.")
    expect(alices.get_by_role("checkbox", name="Cy")).to_be_focused()
    alices.keyboard.press("Alt+ArrowUp")  # nothing is above
    assert keys_of(seats) == ["@cy", "@ana", "@bob"]
    alices.get_by_role("button", name="Save").click()
    expect(alices.locator("[data-council]")).to_be_visible()
    assert seated(room) == ["cy", "ana", "bob"]


def test_the_council_is_dragged_and_saved_at_once(alices: Page, room: Room, session: ChatSession) -> None:
    open_session(alices, session)
    begin_drag(alices, council(alices).nth(2), council(alices).nth(0), below=False)
    expect(council(alices).nth(0)).to_have_class("council-agent reorder-before")
    alices.mouse.up()
    told(alices, "Cy is now 1st of 3.")
    saved(alices)
    assert seated(room) == ["cy", "ana", "bob"]
    offered = alices.locator(".chips-offered").get_by_role("button")
    expect(offered).to_have_text(["@cy", "@ana", "@bob"])  # everyone is asked already
    alices.get_by_label("Message", exact=True).press("@")
    expect(alices.locator("[data-tag-list] code")).to_have_text(["@cy", "@ana", "@bob", "@all"])
    alices.reload()
    assert keys_of(council(alices)) == ["@cy", "@ana", "@bob"]


def test_the_council_is_moved_by_keys(alices: Page, room: Room, session: ChatSession) -> None:
    open_session(alices, session)
    handle = alices.get_by_role("button", name="Move Ana")
    handle.press("ArrowDown")
    saved(alices)
    expect(handle).to_be_focused()
    told(alices, "Ana is now 2nd of 3.")
    handle.press("ArrowDown")
    told(alices, "Ana is now 3rd of 3.")
    alices.get_by_role("link", name="Cy @cy").press("Alt+ArrowUp")
    told(alices, "Cy is now 1st of 3.")
    saved(alices)
    assert seated(room) == ["cy", "bob", "ana"]


def test_a_refused_order_is_put_back(
    alices: Page, alice: User, room: Room, session: ChatSession, watch: Watch
) -> None:
    open_session(alices, session)
    ana, bob, _ = agents_in(room)
    room_set_agents(room=room, agents=[bob, ana])
    alices.get_by_role("button", name="Move Ana").press("ArrowDown")
    status = alices.locator("[data-council-status]")
    expect(status).to_contain_text("The room's agents changed elsewhere. Reload the page.")
    assert keys_of(council(alices)) == ["@ana", "@bob", "@cy"]
    assert seated(room) == ["bob", "ana"]
    watch.expect("ERR_INTERNET_DISCONNECTED")
    alices.reload()
    alices.context.set_offline(True)
    alices.get_by_role("button", name="Move Bob").press("ArrowDown")
    expect(status).to_contain_text("Saving the order failed. The server can't be reached.")
    assert keys_of(council(alices)) == ["@bob", "@ana"]


def test_rows_slide_for_those_who_like_motion(
    open_context: Opened, server: ServerProcess, alice: User, room: Room
) -> None:
    def slides(**options: Any) -> int:
        context = open_context(**options)
        sign_in(context, address_of(server), alice)
        page = context.new_page()
        page.goto(f"/rooms/{room.pk}/edit")
        return int(
            page.get_by_role("button", name="Move Ana down").evaluate(
                f"button => {{ button.click(); return {SLIDES} }}"
            )
        )

    assert slides(reduced_motion="no-preference") == 2
    assert slides() == 0


def test_on_a_phone_rows_are_dragged_by_touch(
    open_context: Opened, server: ServerProcess, alice: User, room: Room
) -> None:
    context = open_context(viewport={"width": 360, "height": 740}, has_touch=True, is_mobile=True)
    sign_in(context, address_of(server), alice)
    page = context.new_page()
    page.goto(f"/rooms/{room.pk}")
    page.get_by_role("button", name="Council").tap()
    x, y = middle(council(page).nth(0).locator("[data-handle]"))
    last = council(page).nth(2).bounding_box()
    assert last is not None
    end = last["y"] + last["height"] - 4
    touch = context.new_cdp_session(page)
    for kind, at in (("touchStart", y), ("touchMove", (y + end) / 2), ("touchMove", end)):
        touch.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": [{"x": x, "y": at}]})
    expect(council(page).nth(2)).to_have_class("council-agent reorder-after")
    touch.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    saved(page)
    assert seated(room) == ["bob", "cy", "ana"]
