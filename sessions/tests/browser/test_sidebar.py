"""The sidebar in a browser: keys, menus, lists that load on demand, and the drawer of phones."""

from __future__ import annotations

import datetime as dt
import re

import pytest
from django.utils import timezone
from playwright.sync_api import Page, expect

from accounts.models import User
from orchestration.models import LlmModel
from sessions.models import ChatSession
from sessions.selectors.sidebar import SESSIONS_AT_ONCE
from sessions.tests.browser.looking import PHONE
from sessions.tests.browser.steps import Opened, address_of, open_session, sign_in
from sessions.tests.factories import make_agent, make_room, make_session
from sessions.tests.support.pages import add_turns
from sessions.tests.support.server_process import ServerProcess

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("nobody_runs")]


@pytest.fixture
def session(alice: User, openai_model: LlmModel) -> ChatSession:
    session = make_session(alice, make_room(alice, make_agent(alice, "ana", openai_model), name="Harbour"))
    ChatSession.objects.update(title="About the harbour")
    return session


def test_n_starts_a_session_unless_something_is_written(alices: Page, session: ChatSession) -> None:
    alices.goto("/")
    alices.get_by_role("searchbox").press("n")
    expect(alices.get_by_role("searchbox")).to_have_value("n")
    alices.locator("main").press("n")
    expect(alices).to_have_url(re.compile(r"/sessions/"))
    assert not alices.url.endswith(str(session.pk))


def test_a_menu_renames_and_pins_where_one_is(alices: Page, session: ChatSession) -> None:
    alices.goto("/usage")
    alices.get_by_label("Actions for About the harbour").press("Enter")
    title = alices.get_by_label("Title", exact=True)
    title.fill("The quay")
    title.press("Enter")
    expect(alices).to_have_url(re.compile(r"/usage$"))
    alices.get_by_label("Actions for The quay").press("Enter")
    alices.get_by_role("button", name="Pin", exact=True).click()
    expect(alices.get_by_role("heading", name="Pinned")).to_be_visible()
    expect(alices).to_have_url(re.compile(r"/usage$"))
    menu = alices.get_by_label("Actions for The quay")
    menu.press("Enter")
    expect(alices.get_by_role("button", name="Unpin")).to_be_visible()
    alices.keyboard.press("Escape")
    expect(alices.get_by_role("button", name="Unpin")).to_be_hidden()
    expect(menu).to_be_focused()


def test_further_sessions_load_on_demand(alices: Page, session: ChatSession, alice: User) -> None:
    now = timezone.now()
    ChatSession.objects.bulk_create(
        ChatSession(
            owner=alice, room=session.room, title=f"Old {number}", updated_at=now - dt.timedelta(days=9)
        )
        for number in range(SESSIONS_AT_ONCE)
    )
    alices.goto("/")
    shown = alices.locator(".sidebar-session")
    expect(shown).to_have_count(SESSIONS_AT_ONCE)
    alices.get_by_role("button", name="More sessions").press("Enter")
    expect(shown).to_have_count(SESSIONS_AT_ONCE + 1)
    expect(alices.locator(".sidebar-session a").last).to_be_focused()
    expect(alices.locator("[data-period]")).to_have_count(2)  # today, and one month


def test_an_answer_is_unread_until_it_is_looked_at(
    alices: Page, session: ChatSession, openai_model: LlmModel
) -> None:
    add_turns(session, openai_model, 1)
    alices.goto("/")
    expect(alices.get_by_text("Unread")).to_have_count(2)
    with alices.expect_response(lambda response: response.url.endswith("/seen")):
        open_session(alices, session)
    alices.goto("/")
    expect(alices.get_by_text("Unread")).to_have_count(0)


def test_it_can_be_closed_and_stays_so_on_every_page(alices: Page, session: ChatSession) -> None:
    alices.goto("/")
    sidebar = alices.get_by_role("navigation", name="Rooms and sessions")
    alices.get_by_role("button", name="Close the sessions").click()
    expect(sidebar).to_be_hidden()
    alices.goto("/account")
    expect(sidebar).to_be_hidden()
    open_session(alices, session)
    expect(sidebar).to_be_hidden()
    alices.get_by_role("button", name="Sessions", exact=True).click()
    expect(sidebar).to_be_visible()
    alices.goto("/")
    expect(sidebar).to_be_visible()


@pytest.mark.parametrize("path", ["/", "/account", "session"])
def test_on_a_phone_it_is_a_drawer_that_back_closes(
    open_context: Opened, server: ServerProcess, alice: User, session: ChatSession, path: str
) -> None:
    context = open_context(viewport=PHONE, has_touch=True, is_mobile=True)
    sign_in(context, address_of(server), alice)
    page = context.new_page()
    page.goto(f"/sessions/{session.pk}" if path == "session" else path)
    sidebar = page.get_by_role("navigation", name="Rooms and sessions")
    expect(sidebar).to_be_hidden()
    expect(page.locator(".topbar")).to_be_visible(visible=path != "session")  # one bar
    address = page.url
    page.get_by_role("button", name="Sessions", exact=True).click()
    expect(sidebar).to_be_visible()
    page.go_back()
    expect(sidebar).to_be_hidden()
    assert page.url == address
    page.get_by_role("button", name="Sessions", exact=True).click()
    sidebar.get_by_role("link", name="About the harbour").click()
    expect(page).to_have_url(re.compile(rf"/sessions/{session.pk}$"))
