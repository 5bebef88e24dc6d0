"""Layout of model texts, in either direction."""

from __future__ import annotations

import pytest
from playwright.sync_api import Locator, Page, expect

from accounts.models import User
from orchestration.models import LlmModel
from orchestration.tests.providers import Answer, OpenAIServer
from sessions.tests.browser.looking import PHONE
from sessions.tests.browser.steps import ended, lane, open_session, send, text_of_lane
from sessions.tests.factories import make_agent, make_room, make_session
from sessions.tests.support.councils import says

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("nobody_runs")]

HEBREW = """שלום, זו תשובה עם `code` ו-**מודגש**.

- פריט ראשון
- English item

English paragraph after.

- first

> ציטוט

| עמודה | B |
|-------|---|
| ערך   | 1 |
"""
FORMULAS = r"""So \( a^2 + b^2 \) and $a_1*b*c_2$ cost $5 and $10:

$$ \int_0^\infty e^{-x^2}\,dx = \frac{\sqrt{\pi}}{2} + \frac{a}{b} + \frac{c}{d} + \frac{e}{f} $$

1. first
   \[
   x = a
   - b
   \]

- [ ] a task whose text is so long that it goes on in a second line of the list, where the boxes stand in a row
- [x] done

| a |
|---|
| one<br>two |
"""
TEXT_LEFT = """(element) => {
  const range = document.createRange();
  range.selectNodeContents(element);
  const card = element.closest("[data-text]").getBoundingClientRect(), text = range.getBoundingClientRect();
  return [text.left - card.left, card.right - text.right];
}"""


@pytest.fixture
def answered(alices: Page, alice: User, openai_model: LlmModel, openai_server: OpenAIServer):
    """Have a text answered; return where it is shown."""

    def answer(text: str) -> Locator:
        openai_server.when(says("ana"), Answer(text))
        room = make_room(alice, *(make_agent(alice, key, openai_model) for key in ("ana", "bob")))
        open_session(alices, make_session(alice, room))
        send(alices, "@ana speak")
        ended(alices)
        return text_of_lane(alices, "ana")

    return answer


def margins(element: Locator) -> list[float]:
    """Return how far an element's text is from the left and right of the answer."""
    found: list[float] = element.evaluate(TEXT_LEFT)
    return found


def test_each_block_begins_on_its_own_side(answered) -> None:
    shown = answered(HEBREW)
    hebrew, english = shown.locator("ul").nth(0), shown.locator("ul").nth(1)
    assert hebrew.evaluate("(list) => getComputedStyle(list).direction") == "rtl"
    assert margins(hebrew.locator("li").first)[1] > 15, "room for the bullet, on the right"
    assert english.evaluate("(list) => getComputedStyle(list).direction") == "ltr"
    assert margins(english.locator("li"))[0] > 15
    assert margins(shown.locator("p").first)[1] < 1
    assert margins(shown.get_by_text("English paragraph after."))[0] < 1
    assert margins(shown.locator("blockquote p"))[1] > 5
    assert (
        margins(shown.get_by_role("columnheader").first)[1]
        < margins(shown.get_by_role("columnheader").last)[1]
    )


def test_formulas_tasks_and_line_breaks_are_shown_and_copied_as_written(answered, alices: Page) -> None:
    shown = answered(FORMULAS)
    expect(shown.locator(".formula")).to_have_count(4)
    written = shown.locator(".formula").evaluate_all("(all) => all.map(({ dataset }) => dataset.tex)")
    assert written[:2] == [r"\( a^2 + b^2 \)", "$a_1*b*c_2$"]
    assert r"e^{-x^2}\,dx" in written[2]
    assert written[3] == "\\[\nx = a\n- b\n\\]"
    expect(shown.locator("li .formula math")).to_have_count(1)
    expect(shown.get_by_role("listitem").filter(has_text="☑")).to_have_text("☑ done")
    assert shown.get_by_role("cell").inner_text() == "one\ntwo"
    alices.set_viewport_size(PHONE)  # type: ignore[arg-type]
    assert alices.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
    lane(alices, "ana").get_by_role("button", name="Copy the answer").click()
    expect(lane(alices, "ana").get_by_role("button", name="Copied")).to_be_visible()
    assert alices.evaluate("navigator.clipboard.readText()") == FORMULAS
