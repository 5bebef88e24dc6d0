"""On a phone: targets that a finger hits, fields that do not zoom, and Back, which closes a panel."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from accounts.models import User
from orchestration.models import LlmModel
from orchestration.tests.providers import OpenAIServer
from sessions.models import ChatSession
from sessions.tests.browser.looking import PHONE
from sessions.tests.browser.steps import Opened, address_of, ended, open_session, sign_in
from sessions.tests.factories import make_agent, make_room, make_session
from sessions.tests.support.server_process import ServerProcess

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("nobody_runs")]

SMALL = """() => [...document.querySelectorAll("button, summary, select, textarea, input, .button")]
    .filter((each) => each.checkVisibility({ visibilityProperty: true }) && !each.closest(".visually-hidden"))
    .map((each) => [each, each.matches("[type=checkbox]") ? each.closest("label") : each])
    .filter(([, target]) => target.getBoundingClientRect().height < 43.5)
    .map(([each, target]) => `${target.outerHTML.slice(0, 120)}: ${target.getBoundingClientRect().height}`)"""
ZOOMED = """() => [...document.querySelectorAll("input:not([type=checkbox], [type=hidden]), select, textarea")]
    .filter((each) => parseFloat(getComputedStyle(each).fontSize) < 16)
    .map((each) => each.outerHTML.slice(0, 120))"""


@pytest.fixture
def session(alice: User, openai_model: LlmModel) -> ChatSession:
    return make_session(
        alice, make_room(alice, *(make_agent(alice, key, openai_model) for key in ("ana", "bob")))
    )


@pytest.fixture
def phone(open_context: Opened, server: ServerProcess, alice: User) -> Page:
    context = open_context(viewport=PHONE, has_touch=True, is_mobile=True)
    sign_in(context, address_of(server), alice)
    return context.new_page()


def test_fingers_hit_what_they_mean(phone: Page, session: ChatSession, openai_server: OpenAIServer) -> None:
    open_session(phone, session)
    phone.get_by_label("Message", exact=True).fill("@ana what now?")
    phone.get_by_role("button", name="Send").tap()
    expect(phone.locator("[data-turn]")).to_have_count(1)
    ended(phone)
    found: dict[str, str] = {}
    for address in (phone.url, f"/rooms/{session.room_id}/edit", "/agents/new", "/search", "/"):
        phone.goto(address)
        found.update(dict.fromkeys(phone.evaluate(SMALL) + phone.evaluate(ZOOMED), address))
    assert found == {}


def test_back_closes_an_open_panel(phone: Page, session: ChatSession) -> None:
    phone.goto("/")
    open_session(phone, session)
    opener, panel = phone.get_by_role("button", name="Council"), phone.locator("[data-panel][data-open]")
    opener.tap()
    expect(panel).to_have_count(1)
    phone.go_back()
    expect(panel).to_have_count(0)
    assert phone.url.endswith(f"/sessions/{session.pk}")
    opener.tap()
    phone.keyboard.press("Escape")
    expect(panel).to_have_count(0)
    phone.wait_for_function("!history.state?.panel")
    phone.go_back()
    phone.wait_for_url("**/")


def test_the_theme_is_chosen_in_a_conversation(phone: Page, session: ChatSession) -> None:
    open_session(phone, session)
    phone.get_by_role("button", name="Sessions").tap()
    switch = phone.get_by_role("button", name="Theme")
    for theme in ("light", "dark"):
        switch.tap()
        expect(switch).to_have_text(f"Theme: {theme}")
        expect(phone.locator("html")).to_have_attribute("data-theme", theme)


def test_new_agents_and_rooms_begin_with_their_name(alices: Page) -> None:
    for address in ("/agents/new", "/rooms/new"):
        alices.goto(address)
        expect(alices.locator("[name=name]")).to_be_focused()
