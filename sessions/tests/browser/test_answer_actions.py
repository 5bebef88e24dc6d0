"""Actions on answers: copy, retry with another model, and what an answer tells about itself."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from accounts.models import User
from orchestration.tests.providers import Answer, Gate, Hold, OpenAIServer
from sessions.models import ChatSession, Message
from sessions.tests.browser.steps import (
    Opened,
    address_of,
    ask,
    editor,
    ended,
    lane,
    open_session,
    question,
    retry,
    send,
    sign_in,
    text_of_lane,
    turn,
)
from sessions.tests.browser.watching import Watch
from sessions.tests.factories import make_model
from sessions.tests.support.councils import says
from sessions.tests.support.server_process import ServerProcess

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("nobody_runs")]


def test_an_answer_is_copied_as_it_was_written(
    alices: Page, session: ChatSession, watch: Watch, openai_server: OpenAIServer
) -> None:
    written = "# Rent\n\n*900* a month & <b>no</b> more\n\n```python\nrent = 900\n```"
    openai_server.when(says("ana"), Answer(written))
    openai_server.when(says("bob"), Answer("Mine."))
    open_session(alices, session)
    send(alices, "@all what now?")
    ended(alices)
    lane(alices, "ana").get_by_role("button", name="Copy the answer of Ana").click()
    expect(lane(alices, "ana").get_by_role("button", name="Copied")).to_be_visible()
    expect(alices.locator("[data-announcer]")).to_contain_text("The answer was copied.")
    assert alices.evaluate("navigator.clipboard.readText()") == written
    assert Message.objects.get(agent_key="ana").text == written
    expect(lane(alices, "ana").get_by_role("button", name="Copy the answer of Ana")).to_be_visible()
    alices.reload()
    lane(alices, "bob").get_by_role("button", name="Copy the answer of Bob").press("Enter")
    expect(lane(alices, "bob").get_by_role("button", name="Copied")).to_be_visible()
    assert alices.evaluate("navigator.clipboard.readText()") == "Mine."

    watch.expect("ERR_INTERNET_DISCONNECTED")
    alices.context.set_offline(True)
    lane(alices, "ana").get_by_role("button", name="Copy the answer of Ana").click()
    expect(lane(alices, "ana").get_by_role("button", name="Not copied")).to_be_visible()
    expect(alices.locator("[data-announcer]")).to_contain_text("The answer was not copied.")


def test_a_turn_and_a_lane_are_asked_again_with_another_model(
    alices: Page, session: ChatSession, openai_server: OpenAIServer
) -> None:
    make_model(openai_server, "second-test")
    make_model(openai_server, "third-test", priced=False)
    open_session(alices, session)
    send(alices, "@all what now?")
    ended(alices)
    retry(alices, "ana", "All agents: other model…")
    models = turn(alices).get_by_role("menuitem")
    expect(models.filter(has_text="second-test")).to_contain_text("$2.00 in, $10.00 out")
    expect(models.filter(has_text="third-test")).to_contain_text("no price")
    models.filter(has_text="second-test").click()
    expect(turn(alices)).to_contain_text("version 2/2")
    ended(alices)
    for key in ("ana", "bob"):
        expect(lane(alices, key).locator(".lane-model")).to_have_text("second-test")

    retry(alices, "bob", "Bob: other model…")
    models.filter(has_text="third-test").click()
    expect(turn(alices)).to_contain_text("version 3/3")
    ended(alices)
    expect(lane(alices, "bob").locator(".lane-model")).to_have_text("third-test")
    expect(lane(alices, "ana").locator(".lane-model")).to_have_text("second-test")
    assert len(openai_server.served) == 5


def test_the_retry_menu_is_walked_with_arrows(alices: Page, session: ChatSession) -> None:
    open_session(alices, session)
    send(alices, "@all what now?")
    ended(alices)
    opener = lane(alices, "bob").get_by_role("button", name="Retry options for Bob")
    opener.press("ArrowDown")
    items = turn(alices).get_by_role("menuitem")
    expect(items).to_have_text(
        ["Bob: same model", "Bob: other model…", "All agents: same models", "All agents: other model…"]
    )
    expect(items.nth(0)).to_be_focused()
    for key, place in (("ArrowUp", 3), ("ArrowDown", 0), ("End", 3), ("Home", 0), ("ArrowDown", 1)):
        alices.keyboard.press(key)
        expect(items.nth(place)).to_be_focused()
    alices.keyboard.press("ArrowRight")
    expect(items.first).to_contain_text("gpt-test")
    expect(items.first).to_be_focused()
    alices.keyboard.press("ArrowLeft")
    expect(items.first).to_have_text("Bob: same model")
    alices.keyboard.press("Escape")
    expect(items).to_have_count(0)
    expect(opener).to_be_focused()
    expect(opener).to_have_attribute("aria-expanded", "false")
    opener.press("Enter")
    alices.keyboard.press("Enter")
    expect(turn(alices)).to_contain_text("version 2/2")
    ended(alices)
    expect(question(alices)).to_be_focused()


def test_an_answer_that_is_alone_is_retried_without_a_choice_of_agents(
    alices: Page, session: ChatSession
) -> None:
    open_session(alices, session)
    send(alices, "@ana what now?")
    ended(alices)
    lane(alices, "ana").get_by_role("button", name="Retry options").click()
    expect(turn(alices).get_by_role("menuitem")).to_have_text(["Same model", "Other model…"])


@pytest.mark.parametrize(("touch", "least_px"), [(False, 32), (True, 44)], ids=["mouse", "finger"])
def test_icon_buttons_have_names_tooltips_and_room(
    touch: bool, least_px: int, open_context: Opened, server: ServerProcess, alice: User, session: ChatSession
) -> None:
    context = open_context(has_touch=touch, is_mobile=touch)
    sign_in(context, address_of(server), alice)
    page = context.new_page()
    open_session(page, session)
    page.get_by_label("Message", exact=True).fill("@all what now?")
    page.get_by_role("button", name="Send").click()
    expect(page.locator("[data-turn]")).to_have_count(1)
    ended(page)
    buttons = turn(page).locator(".icon-button:visible")
    names = buttons.evaluate_all("buttons => buttons.map((button) => button.getAttribute('aria-label'))")
    lanes = [
        f"{what} {name}" for name in ("Ana", "Bob") for what in ("Copy the answer of", "Retry options for")
    ]
    assert names[:2] == ["Edit", "Branch"]
    assert names[2:] == lanes[: len(names) - 2]  # on a phone one lane is seen
    for button in buttons.all():
        box = button.bounding_box()
        assert box is not None
        assert min(box["width"], box["height"]) >= least_px
    turn(page).get_by_role("button", name="Branch").focus()
    tip = (
        turn(page)
        .get_by_role("button", name="Branch")
        .evaluate("button => getComputedStyle(button, '::after').content")
    )
    assert tip == '"Continue in a new session"'


def test_an_answer_says_how_long_it_took(alices: Page, session: ChatSession) -> None:
    open_session(alices, session)
    send(alices, "@ana what now?")
    ended(alices)
    time = lane(alices, "ana").locator(".lane-time")
    expect(time).to_have_text(re.compile(r"^\d+(\.\d)? m?s$"))
    said = time.inner_text()
    alices.reload()
    expect(time).to_have_text(said)


def test_a_receipt_is_seen_whole_on_a_phone(alices: Page, session: ChatSession) -> None:
    alices.set_viewport_size({"width": 360, "height": 740})
    open_session(alices, session)
    send(alices, "@ana what now?")
    ended(alices)
    turn(alices).get_by_text("Receipt").click()
    receipt = turn(alices).locator(".receipt")
    expect(receipt).to_contain_text("× 10.00")
    expect(receipt).not_to_contain_text("cache write")  # there was none
    cost = receipt.locator(".receipt-cost")
    expect(cost).to_have_text(re.compile(r"\$0\.\d+"))
    for part in (cost, receipt.locator(".receipt-rates div")):
        box = part.bounding_box()
        assert box is not None
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= 360
    assert receipt.evaluate("box => box.scrollWidth <= box.clientWidth")


def test_arrow_up_in_an_empty_box_edits_the_last_message(alices: Page, session: ChatSession) -> None:
    open_session(alices, session)
    send(alices, "@ana the first")
    ended(alices)
    ask(alices, "@ana the second")
    box = alices.get_by_label("Message", exact=True)
    box.fill("a draft")
    box.press("ArrowUp")
    expect(editor(alices)).to_have_count(0)
    box.fill("")
    box.press("ArrowUp")
    expect(editor(alices)).to_be_focused()
    expect(editor(alices)).to_have_value("@ana the second")
    editor(alices).press("Escape")
    expect(turn(alices).get_by_role("button", name="Edit")).to_be_focused()


def test_escape_stops_an_answer_once_nothing_else_is_open(
    alices: Page, session: ChatSession, openai_server: OpenAIServer
) -> None:
    gate = Gate()
    openai_server.when(says("ana"), Answer(("I am ", "well."), at={1: Hold(gate)}))
    open_session(alices, session)
    send(alices, "@ana what now?")
    expect(text_of_lane(alices, "ana")).to_have_text("I am")
    expect(alices.locator("[data-announcer]")).to_contain_text("Ana is answering.")
    box, tags = alices.get_by_label("Message", exact=True), alices.get_by_role("listbox", name="Agents")
    box.press_sequentially("@")
    expect(tags).to_be_visible()
    box.press("Escape")
    expect(tags).to_be_hidden()
    menu = alices.locator(".conversation-head [data-menu]")
    menu.locator("summary").first.click()
    alices.keyboard.press("Escape")
    expect(menu).not_to_have_attribute("open", "")
    expect(lane(alices, "ana")).to_have_attribute("data-state", "answering")
    box.press("Escape")
    ended(alices)
    expect(turn(alices)).to_have_attribute("data-status", "cancelled")
    expect(alices.locator("[data-announcer]")).to_contain_text("The turn has ended: Stopped.")
    expect(box).to_have_value("@")
