"""Writing by keyboard, by finger and with an input method: what Enter and Escape do."""

from __future__ import annotations

import pytest
from playwright.sync_api import Dialog, Locator, Page, expect

from accounts.models import User
from orchestration.models import LlmModel
from orchestration.tests.providers import OpenAIServer
from sessions.models import ChatSession, Turn
from sessions.tests.browser.looking import PHONE
from sessions.tests.browser.steps import Opened, address_of, ended, open_session, send, sign_in, turn
from sessions.tests.factories import make_agent, make_room, make_session
from sessions.tests.support.server_process import ServerProcess

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("nobody_runs")]

ENDINGS = {
    "reported as used by the input method": "{ keyCode: 229 }",
    "while composing": "{ keyCode: 13, isComposing: true }",
    "just after": "{ keyCode: 13 }",
}


@pytest.fixture
def session(alice: User, openai_model: LlmModel) -> ChatSession:
    return make_session(alice, make_room(alice, make_agent(alice, "ana", openai_model)))


@pytest.fixture
def phone(open_context: Opened, server: ServerProcess, alice: User) -> Page:
    context = open_context(viewport=PHONE, has_touch=True, is_mobile=True)
    sign_in(context, address_of(server), alice)
    return context.new_page()


def box(page: Page) -> Locator:
    return page.get_by_label("Message", exact=True)


def editor(page: Page) -> Locator:
    return turn(page).get_by_label("Your message")


def end_composition(field: Locator, key: str) -> bool:
    """End a composition with Enter as browsers report it; return whether the page left the key alone."""
    return bool(
        field.evaluate(
            f"""(field) => {{
                field.dispatchEvent(new CompositionEvent("compositionend", {{ bubbles: true, data: "字" }}));
                const usual = {{ key: "Enter", code: "Enter", bubbles: true, cancelable: true }};
                const isLeft = field.dispatchEvent(new KeyboardEvent("keydown", {{ ...usual, ...{key} }}));
                field.dispatchEvent(new KeyboardEvent("keyup", usual));
                return isLeft;
            }}"""
        )
    )


def test_with_a_finger_enter_is_a_new_line(
    phone: Page, session: ChatSession, openai_server: OpenAIServer
) -> None:
    open_session(phone, session)
    box(phone).fill("@ana one")
    box(phone).press("Enter")
    box(phone).press_sequentially("two")
    expect(box(phone)).to_have_value("@ana one\ntwo")
    phone.get_by_role("button", name="Send").tap()
    expect(phone.locator("[data-turn]")).to_have_count(1)
    ended(phone)
    turn(phone).get_by_role("button", name="Edit").tap()
    editor(phone).press("Enter")
    expect(editor(phone)).to_have_value("@ana one\ntwo\n")
    editor(phone).press("Control+Enter")
    expect(turn(phone)).to_contain_text("version 2/2")
    ended(phone)
    box(phone).fill("@ana three")
    box(phone).press("Control+Enter")
    expect(phone.locator("[data-turn]")).to_have_count(2)
    ended(phone)


@pytest.mark.parametrize("key", ENDINGS.values(), ids=ENDINGS)
def test_enter_that_ends_a_composition_is_no_command(
    alices: Page, session: ChatSession, openai_server: OpenAIServer, key: str
) -> None:
    open_session(alices, session)
    box(alices).fill("@an")
    expect(alices.locator("[data-tag-list]")).to_be_visible()
    assert end_composition(box(alices), key)
    expect(box(alices)).to_have_value("@an")
    box(alices).fill("@ana 字")
    assert end_composition(box(alices), key)
    expect(box(alices)).to_have_value("@ana 字")
    assert Turn.objects.count() == 0
    send(alices, "@ana 字")
    ended(alices)
    turn(alices).get_by_role("button", name="Edit").click()
    editor(alices).fill("@ana 字字")
    assert end_composition(editor(alices), key)
    expect(editor(alices)).to_have_value("@ana 字字")
    assert Turn.objects.count() == 1


def test_an_edited_question_is_sent_as_a_message_is(
    alices: Page, session: ChatSession, openai_server: OpenAIServer
) -> None:
    open_session(alices, session)
    send(alices, "@ana one")
    ended(alices)
    turn(alices).get_by_role("button", name="Edit").click()
    editor(alices).press("Shift+Enter")
    editor(alices).press_sequentially("two")
    editor(alices).press("Enter")
    expect(turn(alices)).to_contain_text("version 2/2")
    expect(turn(alices).locator("[data-question]")).to_have_text("@ana one\ntwo")
    ended(alices)


def test_escape_asks_before_it_discards_an_edit(
    alices: Page, session: ChatSession, openai_server: OpenAIServer
) -> None:
    open_session(alices, session)
    send(alices, "@ana one")
    ended(alices)
    edit = turn(alices).get_by_role("button", name="Edit")
    edit.click()
    editor(alices).press("Escape")  # nothing was changed
    expect(editor(alices)).to_have_count(0)
    edit.click()
    editor(alices).fill("@ana two")
    asked: list[str] = []

    def dismiss(dialog: Dialog) -> None:
        asked.append(dialog.message)
        dialog.dismiss()

    alices.once("dialog", dismiss)
    editor(alices).press("Escape")
    expect(editor(alices)).to_have_value("@ana two")
    assert asked == ["Discard your changes?"]
    alices.once("dialog", lambda dialog: dialog.accept())
    editor(alices).press("Escape")
    expect(editor(alices)).to_have_count(0)
    edit.click()
    expect(editor(alices)).to_have_value("@ana one")
