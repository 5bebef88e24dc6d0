"""The command palette and the list of keys, by keyboard alone."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from accounts.models import User
from orchestration.models import LlmModel
from sessions.models import ChatSession
from sessions.tests.browser.looking import SCHEMES, Look, Scheme
from sessions.tests.browser.steps import open_session
from sessions.tests.factories import make_agent, make_room, make_session

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("nobody_runs")]


@pytest.fixture
def session(alice: User, openai_model: LlmModel) -> ChatSession:
    session = make_session(alice, make_room(alice, make_agent(alice, "ana", openai_model), name="Harbour"))
    ChatSession.objects.update(title="About the quay")
    return session


def test_it_finds_by_keyboard_and_keeps_what_was_written(alices: Page, session: ChatSession) -> None:
    open_session(alices, session)
    box = alices.get_by_label("Message", exact=True)
    box.press_sequentially("a?nb")
    box.press("Control+k")
    field = alices.get_by_role("combobox", name="Find rooms")
    expect(field).to_be_focused()
    alices.keyboard.press("Escape")
    expect(field).to_be_hidden()
    expect(box).to_be_focused()
    expect(box).to_have_value("a?nb")
    box.press("Control+k")
    alices.keyboard.type("harb")
    option = alices.get_by_role("option", name="Harbour Ask")
    expect(option).to_have_attribute("aria-selected", "true")
    expect(field).to_have_attribute("aria-activedescendant", option.get_attribute("id") or "none")
    alices.keyboard.press("ArrowDown")
    expect(alices.get_by_role("option", name="Search messages for “harb”")).to_have_attribute(
        "aria-selected", "true"
    )
    alices.keyboard.press("ArrowDown")
    expect(option).to_have_attribute("aria-selected", "true")
    expect(alices.get_by_role("status").filter(has_text="2 results")).to_be_visible()


def test_enter_leads_to_what_is_chosen(alices: Page, session: ChatSession) -> None:
    alices.goto("/account")
    alices.keyboard.press("Control+k")
    expect(alices.get_by_role("option", name="About the quay")).to_be_visible()
    alices.keyboard.press("Enter")
    expect(alices).to_have_url(re.compile(rf"/sessions/{session.pk}$"))


def test_enter_before_there_are_options_searches(alices: Page, session: ChatSession) -> None:
    alices.goto("/")
    alices.keyboard.press("Control+k")
    alices.keyboard.type("quayside")
    alices.keyboard.press("Enter")
    expect(alices).to_have_url(re.compile(r"/search\?q=quayside$"))


def test_actions_do_what_their_keys_do(alices: Page, session: ChatSession) -> None:
    alices.goto("/")
    alices.keyboard.press("Control+k")
    alices.keyboard.type("shortcuts")
    expect(alices.get_by_role("option", name="Keyboard shortcuts")).to_have_attribute("aria-selected", "true")
    alices.keyboard.press("Enter")
    keys = alices.get_by_role("dialog", name="Keyboard shortcuts")
    expect(keys).to_be_visible()
    alices.keyboard.press("Escape")
    expect(keys).to_be_hidden()
    alices.keyboard.press("?")
    expect(keys).to_be_visible()
    alices.keyboard.press("Control+k")
    expect(alices.get_by_role("dialog", name="Command palette")).to_be_hidden()
    alices.keyboard.press("Escape")
    alices.keyboard.press("Control+k")
    alices.keyboard.type("new session")
    expect(alices.get_by_role("option", name="New session N")).to_have_attribute("aria-selected", "true")
    alices.keyboard.press("Enter")
    expect(alices).to_have_url(re.compile(r"/sessions/"))


def test_keys_work_at_once_after_a_dialog_closes(alices: Page, session: ChatSession) -> None:
    alices.goto("/")
    alices.keyboard.press("Control+k")
    expect(alices.get_by_role("combobox", name="Find rooms")).to_be_focused()
    # In one task: what the closed dialog hides keeps the focus until the next frame.
    alices.evaluate(
        """() => {
            const focused = document.activeElement;
            focused.closest("dialog").close();
            focused.dispatchEvent(new KeyboardEvent("keydown", { key: "?", bubbles: true }));
        }"""
    )
    expect(alices.get_by_role("dialog", name="Keyboard shortcuts")).to_be_visible()


@pytest.mark.parametrize("scheme", SCHEMES)
def test_axe_finds_nothing_serious(alices: Page, session: ChatSession, scheme: Scheme) -> None:
    alices.emulate_media(color_scheme=scheme)
    alices.goto("/")
    look = Look(alices, scheme)
    alices.keyboard.press("Control+k")
    expect(alices.get_by_role("option", name="About the quay")).to_be_visible()
    look.here("palette")
    alices.keyboard.press("Escape")
    alices.keyboard.press("?")
    look.here("keys")
    assert not look.wrong, "\n".join(look.wrong)
