"""A conversation by keyboard alone: every step is reached with Tab or a key of its own, and its focus is never lost."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from accounts.models import User
from orchestration.models import LlmModel
from orchestration.tests.providers import Answer, Gate, Hold, OpenAIServer
from sessions.models import ChatSession
from sessions.tests.browser.steps import ended, open_session, retry, send, text_of_lane, turn
from sessions.tests.factories import make_agent, make_room, make_session
from sessions.tests.support.councils import says

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("nobody_runs")]

MOST_TABS = 60
NAME = """() => {
  const { activeElement: element } = document;
  if (element === document.body) return null;
  const name = element.getAttribute("aria-label") ?? element.labels?.[0]?.textContent ?? element.textContent;
  return name.trim().replace(/\\s+/g, " ");
}"""


@pytest.fixture
def session(alice: User, openai_model: LlmModel) -> ChatSession:
    return make_session(
        alice, make_room(alice, *(make_agent(alice, key, openai_model) for key in ("ana", "bob")))
    )


def focused(page: Page) -> str:
    """Return the name of what has the focus, which must be somewhere on the page."""
    name: str | None = page.evaluate(NAME)
    assert name is not None, "the focus is lost"
    return name


def tab_to(page: Page, name: str, *, back: bool = False) -> None:
    """Move on with Tab until something of this name has the focus, which is visible there."""
    passed = []
    for _ in range(MOST_TABS):
        page.keyboard.press("Shift+Tab" if back else "Tab")
        at = page.evaluate(NAME) or ""
        if at.startswith(name):
            assert page.evaluate("document.activeElement.matches(':focus-visible')")
            return
        passed.append(at[:40])
    raise AssertionError(f"{name} is not reached: {passed}")


def test_the_focus_stays_where_it_is_when_the_answer_ends(
    alices: Page, session: ChatSession, openai_server: OpenAIServer, gate: Gate
) -> None:
    open_session(alices, session)
    send(alices, "@ana what now?")
    ended(alices)
    openai_server.when(says("ana"), Answer(["Rent.", " Now."], at={1: Hold(gate)}))
    retry(alices, "ana")
    expect(text_of_lane(alices, "ana")).to_have_text("Rent.")
    earlier = turn(alices).get_by_role("link", name="Earlier version")
    earlier.focus()
    gate.open()
    ended(alices)
    expect(text_of_lane(alices, "ana")).to_have_text("Rent. Now.")
    expect(earlier).to_be_focused()


def test_a_conversation_is_led_by_keyboard(
    alices: Page, session: ChatSession, openai_server: OpenAIServer
) -> None:
    openai_server.when(says("ana"), Answer("The rent of the corner shop is 900 a month."))
    openai_server.when(says("bob"), Answer("The rent of the corner shop is 900 a month. The roof leaks."))
    open_session(alices, session)
    keys = alices.keyboard
    keys.type("What about the shop?")  # the message box has the focus
    keys.press("Enter")
    ended(alices)
    assert focused(alices) == "Message"

    tab_to(alices, "Retry options for Ana", back=True)
    keys.press("Enter")
    expect(alices.get_by_role("menuitem").first).to_be_focused()
    keys.press("Enter")
    expect(turn(alices).get_by_text("2/2")).to_be_visible()
    ended(alices)
    focused(alices)

    tab_to(alices, "Earlier version", back=True)
    keys.press("Enter")
    expect(turn(alices).get_by_text("1/2")).to_be_visible()
    focused(alices)
    tab_to(alices, "Later version")
    keys.press("Enter")
    expect(turn(alices).get_by_text("2/2")).to_be_visible()
    focused(alices)

    tab_to(alices, "Compare")
    keys.press("Enter")
    dialog = alices.get_by_role("dialog", name="Compare answers")
    expect(dialog.get_by_role("region", name="1: Ana")).to_be_focused()
    keys.press("2")
    expect(dialog.get_by_role("region", name="2: Bob")).to_be_focused()
    tab_to(alices, "Highlight differences", back=True)
    switch = dialog.get_by_label("Highlight differences")
    was_checked = switch.is_checked()
    keys.press("Space")
    expect(switch).to_be_checked(checked=not was_checked)
    keys.press("Escape")
    expect(dialog).to_be_hidden()
    assert focused(alices) == "Compare"

    tab_to(alices, "Close the council")
    keys.press("Enter")
    assert focused(alices) == "Council"
    keys.press("Enter")
    assert focused(alices) == "Close the council"

    keys.press("Control+k")
    keys.type("search")
    expect(alices.get_by_role("option", name="Search").first).to_be_visible()
    keys.press("Escape")
    assert focused(alices) == "Close the council"

    tab_to(alices, "Search my messages", back=True)
    keys.type("roof")
    keys.press("Enter")
    alices.wait_for_url("**/search?**")
    tab_to(alices, "Bob")
    keys.press("Enter")
    alices.wait_for_url("**/sessions/**")
    focused(alices)
