"""The workspace fits its window after every navigation, on a desktop and on a phone."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from accounts.models import User
from orchestration.models import LlmModel
from sessions.models import ChatSession, Message, Room, Summary, Turn
from sessions.tests.browser.looking import DESK, PHONE
from sessions.tests.browser.steps import Opened, address_of, open_session, sign_in
from sessions.tests.factories import make_agent, make_room, make_session
from sessions.tests.support.pages import add_turns
from sessions.tests.support.server_process import ServerProcess

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("nobody_runs")]


@pytest.fixture(params=[DESK, PHONE], ids=["desk", "phone"])
def workspace(
    request: pytest.FixtureRequest, open_context: Opened, server: ServerProcess, alice: User
) -> Iterator[Page]:
    """A page of Alice's, which at the end of the test still fits its window."""
    context = open_context(viewport=request.param)
    sign_in(context, address_of(server), alice)
    page = context.new_page()
    yield page
    fits_its_window(page)


@pytest.fixture
def session(alice: User, openai_model: LlmModel) -> ChatSession:
    room = make_room(alice, make_agent(alice, "ana", openai_model), name="Neighbourhood bakery council")
    return make_session(alice, room)


@pytest.fixture
def turns(session: ChatSession, openai_model: LlmModel) -> Any:
    return add_turns(session, openai_model, 9)


def fits_its_window(page: Page) -> None:
    """Nothing has been scrolled out of the window, and nothing can be."""
    page.evaluate("scrollTo(0, 500)")
    heights = page.evaluate("[document.documentElement.scrollHeight, scrollY]")
    assert heights == [page.evaluate("innerHeight"), 0]
    if not is_narrow(page):  # on a phone the conversation has one bar
        expect(page.locator(".topbar")).to_be_in_viewport(ratio=1)
    expect(page.locator(".conversation-head")).to_be_in_viewport(ratio=1)


def answer_of(turn: Turn) -> Message:
    message: Message = turn.messages.get(role="agent")
    return message


def is_narrow(page: Page) -> bool:
    return page.viewport_size is not None and page.viewport_size["width"] == PHONE["width"]


def test_a_search_result_does_not_scroll_the_page(workspace: Page, turns: Any) -> None:
    message = answer_of(turns[5])
    Message.objects.filter(pk=message.pk).update(text="The needle.\n\n" + "It is here.\n\n" * 60)
    workspace.goto("/search?q=needle")
    workspace.get_by_role("link", name="The needle.").click()
    expect(workspace.locator(f"#message-{message.pk}")).to_be_focused()


def test_the_skip_link_does_not_scroll_the_page(workspace: Page, session: ChatSession, turns: Any) -> None:
    open_session(workspace, session)
    workspace.get_by_role("link", name="Skip to the content").focus()
    workspace.keyboard.press("Enter")
    expect(workspace.locator("#main")).to_be_focused()
    workspace.reload()
    expect(workspace.locator("#main")).to_be_in_viewport()


def test_a_jump_from_the_summary_does_not_scroll_the_page(
    workspace: Page, session: ChatSession, turns: Any
) -> None:
    fact = {"text": "Rent is 900.", "message_seq": 4, "pinned": False}
    Summary.objects.create(
        session=session, turn=turns[-1], from_seq=1, through_seq=18, text="Talk.", key_facts=[fact]
    )
    open_session(workspace, session)
    if is_narrow(workspace):
        workspace.get_by_role("button", name="Council").click()
    workspace.get_by_role("tab", name="Summary").click()
    workspace.get_by_role("link", name="Go to message 4").click()
    expect(workspace.locator(f"#message-{answer_of(turns[1]).pk}")).to_be_focused()
    expect(workspace.locator("#panel-council")).to_be_visible(visible=not is_narrow(workspace))


def test_the_total_is_in_the_header_whatever_the_room_is_called(
    workspace: Page, session: ChatSession, turns: Any
) -> None:
    Room.objects.update(name="Neighbourhood bakery council and friends of sourdough")
    open_session(workspace, session)
    total = workspace.locator(".conversation-total")
    expect(total).to_have_text("· unpriced", use_inner_text=True)
    title, seen = workspace.locator(".conversation-title").bounding_box(), total.bounding_box()
    assert title is not None
    assert seen is not None
    assert seen["x"] + seen["width"] <= title["x"] + title["width"]


def test_what_is_written_has_the_width_of_a_phone(workspace: Page, session: ChatSession) -> None:
    open_session(workspace, session)
    box = workspace.get_by_label("Message", exact=True)
    box.fill("@ana We want to open a small neighbourhood bakery.")
    expect(workspace.locator("[data-estimate]")).not_to_be_empty()
    written, around = box.bounding_box(), workspace.locator(".composer-box").bounding_box()
    button = workspace.get_by_role("button", name="Send").bounding_box()
    assert written
    assert around
    assert button
    beneath = button["y"] >= written["y"] + written["height"]
    assert beneath == is_narrow(workspace)
    assert written["width"] > around["width"] * (0.7 if is_narrow(workspace) else 0.45)


def test_a_session_opens_ready_to_write(workspace: Page, session: ChatSession, turns: Any) -> None:
    open_session(workspace, session)
    expect(workspace.get_by_label("Message", exact=True)).to_be_focused()
    open_session(workspace, session)
    workspace.goto(f"/sessions/{session.pk}#turn-{turns[2].pk}")
    workspace.reload()
    expect(workspace.locator(f"#turn-{turns[2].pk}")).to_be_focused()


def test_a_skip_link_leads_to_the_message_box(workspace: Page, session: ChatSession, turns: Any) -> None:
    open_session(workspace, session)
    workspace.get_by_role("link", name="Skip to the message box").focus()
    workspace.keyboard.press("Enter")
    expect(workspace.get_by_label("Message", exact=True)).to_be_focused()


def test_with_a_finger_no_keyboard_covers_a_session_that_opens(
    open_context: Opened, server: ServerProcess, alice: User, session: ChatSession
) -> None:
    context = open_context(viewport=PHONE, has_touch=True, is_mobile=True)
    sign_in(context, address_of(server), alice)
    page = context.new_page()
    open_session(page, session)
    expect(page.get_by_role("button", name="Send")).to_be_enabled()
    expect(page.locator("body")).to_be_focused()


@pytest.mark.parametrize("name", ["Sessions", "Council"])
def test_a_closed_panel_stays_closed(alices: Page, session: ChatSession, turns: Any, name: str) -> None:
    panel = alices.locator(f"#panel-{name.lower()}")
    opener = alices.get_by_role("button", name=name, exact=True)
    open_session(alices, session)
    expect(opener).to_be_hidden()
    panel.get_by_role("button", name=f"Close the {name.lower()}").press("Enter")
    expect(panel).to_be_hidden()
    expect(opener).to_be_focused()
    alices.reload()
    expect(panel).to_be_hidden()
    opener.press("Enter")
    expect(panel).to_be_visible()
    expect(panel.get_by_role("button", name=f"Close the {name.lower()}")).to_be_focused()
    alices.reload()
    expect(panel).to_be_visible()


def test_the_panels_tabs_are_walked_with_arrows_and_stay(alices: Page, session: ChatSession) -> None:
    open_session(alices, session)
    tabs = [alices.get_by_role("tab", name=name) for name in ("Council", "Summary", "Connect")]
    expect(alices.get_by_role("tabpanel", name="Council")).to_be_visible()
    tabs[0].press("ArrowLeft")
    expect(tabs[2]).to_be_focused()
    panel = alices.get_by_role("tabpanel", name="Connect")
    room = session.room
    assert room is not None
    expect(panel).to_contain_text(f"room:neighbourhood-bakery-council-{room.pk.hex[:4]}")
    panel.get_by_role("button", name="Copy the base URL").click()
    assert alices.evaluate("navigator.clipboard.readText()").endswith("/v1")
    alices.reload()
    expect(panel).to_be_visible()
    expect(alices.get_by_role("tabpanel", name="Council")).to_be_hidden()


def test_a_switched_mode_keeps_panel_and_focus_and_is_announced(
    workspace: Page, session: ChatSession
) -> None:
    Room.objects.update(goal="Bake.")
    open_session(workspace, session)
    if is_narrow(workspace):
        expect(workspace.locator("[data-mode-name]")).to_be_in_viewport()
        workspace.get_by_role("button", name="Council").click()
    expect(workspace.locator("[data-mode-name]")).to_have_text("Ask")
    workspace.get_by_role("button", name="Lead").press("Enter")
    expect(workspace.locator("[data-mode-name]")).to_have_text("Lead")
    expect(workspace.get_by_role("button", name="Lead")).to_be_focused()
    expect(workspace.locator("[data-announcer]")).to_contain_text("Mode: Lead. A manager picks agents")
    workspace.get_by_role("button", name="Up to three rounds").click()
    expect(workspace.get_by_role("button", name="Up to three rounds")).to_have_attribute(
        "aria-pressed", "true"
    )
    expect(workspace.get_by_role("button", name="Up to three rounds")).to_be_focused()
    expect(workspace.locator("[data-announcer]")).to_contain_text(
        "Up to three rounds, from the next message."
    )
    if is_narrow(workspace):
        workspace.go_back()
        expect(workspace.locator("#panel-council")).to_be_hidden()
        assert workspace.url.endswith(f"/sessions/{session.pk}")
