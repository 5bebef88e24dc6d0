"""An empty session introduces its council and offers questions; a low window leaves room to read."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from accounts.models import User
from orchestration.engine.modes import DIRECT, LEAD, MANUAL, ROUNDTABLE
from orchestration.models import LlmModel
from orchestration.tests.providers import OpenAIServer
from sessions.models import Turn
from sessions.tests.browser.steps import Opened, address_of, ended, open_session, send, sign_in
from sessions.tests.factories import make_agent, make_room, make_session
from sessions.tests.support.server_process import ServerProcess

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("nobody_runs")]

LOW = {"viewport": {"width": 360, "height": 400}, "has_touch": True, "is_mobile": True}


@pytest.mark.parametrize("mode", [MANUAL, ROUNDTABLE, LEAD])
def test_a_click_on_an_example_fills_the_box_and_sends_nothing(
    alices: Page, alice: User, openai_model: LlmModel, mode
) -> None:
    agents = [make_agent(alice, key, openai_model) for key in ("ana", "bob")]
    open_session(alices, make_session(alice, make_room(alice, *agents, mode=mode.key, goal="Decide well.")))
    faces = alices.get_by_role("list", name="Council").get_by_role("listitem")
    expect(faces).to_have_count(2)
    for text in ("Ana", "@ana", "gpt-test"):
        expect(faces.first).to_contain_text(text)
    examples = alices.get_by_role("list", name="Example questions").get_by_role("button")
    expect(examples).to_have_text(list(mode.examples))
    assert len(mode.examples) == 4
    examples.nth(1).click()
    box = alices.get_by_label("Message", exact=True)
    expect(box).to_have_value(mode.examples[1])
    expect(box).to_be_focused()
    expect(alices.locator("[data-estimate]")).to_contain_text("usually $")
    assert not Turn.objects.exists()
    alices.reload()
    expect(box).to_have_value(mode.examples[1])


def test_an_empty_session_is_shown_from_its_top(
    open_context: Opened, server: ServerProcess, alice: User, openai_model: LlmModel
) -> None:
    context = open_context(**LOW)
    sign_in(context, address_of(server), alice)
    page = context.new_page()
    agents = [make_agent(alice, key, openai_model) for key in ("ana", "bob")]
    open_session(page, make_session(alice, make_room(alice, *agents)))
    expect(page.locator("[data-estimate]")).to_be_attached()
    page.wait_for_load_state("networkidle")
    scrolled = page.locator("[data-scroll]")
    assert scrolled.evaluate("place => place.scrollHeight > place.clientHeight")
    assert scrolled.evaluate("place => place.scrollTop") == 0


def test_the_examples_are_gone_once_something_is_asked(
    alices: Page, alice: User, openai_model: LlmModel, openai_server: OpenAIServer
) -> None:
    open_session(alices, make_session(alice, make_agent(alice, "ana", openai_model)))
    expect(alices.get_by_role("button", name=DIRECT.examples[0])).to_be_visible()
    send(alices, "hello")
    ended(alices)
    expect(alices.locator("[data-empty]")).to_have_count(0)


def test_a_room_that_lacks_its_goal_says_so(alices: Page, alice: User, openai_model: LlmModel) -> None:
    agent = make_agent(alice, "ana", openai_model)
    open_session(alices, make_session(alice, make_room(alice, agent, mode="orchestrator")))
    expect(alices.locator(".composer-goal")).to_contain_text("Lead needs a goal")
    alices.get_by_role("link", name="Set the goal").click()
    expect(alices.get_by_label("Goal")).to_be_visible()


def test_with_an_open_keyboard_a_third_of_the_window_stays_conversation(
    open_context: Opened,
    server: ServerProcess,
    alice: User,
    openai_model: LlmModel,
    openai_server: OpenAIServer,
) -> None:
    agents = [make_agent(alice, key, openai_model) for key in ("ana", "bob", "cy")]
    context = open_context(**LOW)
    sign_in(context, address_of(server), alice)
    page = context.new_page()
    open_session(page, make_session(alice, make_room(alice, *agents)))
    for listed in page.locator("[data-empty] li").all():
        assert listed.evaluate("(element) => element.getBoundingClientRect().right <= innerWidth")
    box = page.get_by_label("Message", exact=True)
    box.fill("one\ntwo\nthree\nfour")
    expect(page.locator("[data-estimate]")).to_contain_text("usually $")
    height = page.locator("[data-scroll]").evaluate("(element) => element.clientHeight")
    assert height >= 400 / 3
    expect(page.get_by_role("button", name="Send")).to_be_in_viewport(ratio=1)
    expect(page.locator("[data-estimate]")).to_be_in_viewport(ratio=1)
