"""An answer is laid out as Markdown while it streams: block by block, as it will be stored, and as harmless."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Page, expect

from orchestration.tests.providers import Answer, Gate, Hold, OpenAIServer
from sessions.models import ChatSession
from sessions.rendering.markdown import TOO_COMPLEX, TOO_LONG, render_markdown
from sessions.tests.browser.hostile_texts import BROKEN, INVISIBLE, LINKS, LITERAL, in_pieces
from sessions.tests.browser.steps import ended, open_session, send, text_of_lane
from sessions.tests.support.councils import says

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("nobody_runs")]

ANSWER = r"""## Rent or buy

**Rent.** The shop at the *corner* costs `900` a month, see [the offer](https://good.example/offer).

| item | **USD** |
|:-----|--------:|
| oven | 1,200 |
| *rent* | 900 |

1. Sign for **one year**
   - ask for `two`
   - keep a way out
2. Paint it

- [x] asked
- [ ] signed

> It is **cheap** at $5 and $10.

```python
def cost(months):
    return months * 900  # **not** bold
```

$$
c = \sum_{m=1}^{12} r_m
$$

So \( c = 10800 \) and **注意！**请看.

---

That is _all_.
"""
MARKS = ["**", "|", "`", "~~", "](", "##", "> "]
STREAM = """async ([text, size, look]) => {
  const { MarkdownStream } = await import("/static/js/markdown/stream.js");
  const { VisibleStream } = await import("/static/js/visible-text.js");
  const place = document.createElement("div");
  const stream = new MarkdownStream(place), visible = new VisibleStream();
  const seen = [];
  for (let at = 0; at < text.length; at += size) {
    stream.append(visible.next(text.slice(at, at + size)));
    if (!stream.plain) stream.draw();
    if (look) seen.push([...place.children].map((block) => block.textContent));
  }
  stream.close();
  for (const styled of place.querySelectorAll("[style]")) styled.removeAttribute("style"); // it could not be parsed
  return look ? seen : place.innerHTML;
}"""
AS_SHOWN = """(html) => {
  const root = document.createElement("template");
  root.innerHTML = html;
  for (const button of root.content.querySelectorAll("button")) button.remove();
  for (const formula of root.content.querySelectorAll(".formula")) {
    const source = document.createElement(formula.tagName === "DIV" ? "pre" : "code");
    source.className = "math";
    if (formula.tagName === "DIV") source.tabIndex = 0;
    source.textContent = formula.dataset.tex;
    formula.replaceWith(source);
  }
  for (const kept of root.content.querySelectorAll(".math-kept")) kept.classList.remove("math-kept");
  for (const code of root.content.querySelectorAll("pre > code")) code.textContent = code.textContent.trimEnd();
  const read = (node) => {
    if (node.nodeType === Node.TEXT_NODE) return node.data;
    const attributes = [...node.attributes].map(({ name, value }) => `${name}=${value}`).sort();
    return [node.nodeName, ...attributes, ...[...node.childNodes].map(read)];
  };
  root.content.normalize();
  const blocks = [...root.content.children].map(read);
  const bare = (part) => Array.isArray(part)
    ? part.map(bare).filter((inner) => inner !== "")
    : part.replace(/\\s+/g, " ").trim();
  return blocks.map(bare);
}"""
PLACES = """(place) => [...place.children].map((block) => {
  const { top, height } = block.getBoundingClientRect();
  return [block.tagName, top - place.getBoundingClientRect().top, height];
})"""
WATCH_SHIFTS = """() => {
  globalThis.shifts = [];
  new PerformanceObserver((list) => {
    for (const entry of list.getEntries()) for (const { node, previousRect, currentRect } of entry.sources) {
      const element = node?.nodeType === Node.TEXT_NODE ? node.parentElement : node;
      if (element?.closest?.("[data-text]")) globalThis.shifts.push(Math.abs(previousRect.y - currentRect.y));
    }
  }).observe({ type: "layout-shift" });
}"""


def streamed(page: Page, text: str, size: int) -> str:
    """Return the HTML of a text that came in pieces."""
    html: str = page.evaluate(STREAM, [text, size, False])
    return html


def as_shown(page: Page, html: str) -> Any:
    """Return the blocks of HTML, without what is not seen or comes later: spaces, colours of code, typeset formulas."""
    return page.evaluate(AS_SHOWN, html)


def hold_before_the_end(server: OpenAIServer, gate: Gate, text: str) -> None:
    pieces = in_pieces(text, 5)
    server.when(says("ana"), Answer([*pieces, "\n\nEnd."], at={len(pieces): Hold(gate)}))


@pytest.mark.parametrize(
    "text",
    [ANSWER, *LITERAL.values(), LINKS, BROKEN, INVISIBLE.replace("\ud800", "")],
    ids=["answer", *LITERAL, "links", "broken", "invisible"],
)
def test_a_streamed_text_is_shown_as_the_stored_one(alices: Page, session: ChatSession, text: str) -> None:
    open_session(alices, session)
    stored = as_shown(alices, render_markdown(text))
    for size in (1, 4, 60):
        assert as_shown(alices, streamed(alices, text, size)) == stored


def test_no_signs_of_markdown_stand_in_a_finished_block(alices: Page, session: ChatSession) -> None:
    open_session(alices, session)
    text = ANSWER.replace("  # **not** bold", "")
    for blocks in alices.evaluate(STREAM, [text, 3, True]):
        for shown in blocks[:-1]:
            assert not [mark for mark in MARKS if mark in shown], shown


def test_signs_are_not_shown_before_they_mean_something(alices: Page, session: ChatSession) -> None:
    open_session(alices, session)
    for text in (
        "so **bold and `code",
        "| a | b |\n|--|--|\n| 1 | **2",
        "| a | b",
        "see [the offer](https://good.ex",
        "text\n- ",
        r"so \( a^2 + ",
        "# Head\n\n```py",
    ):
        for blocks in alices.evaluate(STREAM, [text, 1, True]):
            assert not [mark for mark in [*MARKS, "\\(", "- ", "[the"] if mark in "".join(blocks)], text


def test_finished_blocks_are_not_touched_again(alices: Page, session: ChatSession) -> None:
    open_session(alices, session)
    script = """async (text) => {
      const { MarkdownStream } = await import("/static/js/markdown/stream.js");
      const place = document.createElement("div");
      const stream = new MarkdownStream(place);
      const changes = new MutationObserver(() => {});
      changes.observe(place, { childList: true, subtree: true, characterData: true, attributes: true });
      const touched = [];
      for (const piece of text.match(/[^]{1,4}/g)) {
        const finished = [...place.children].slice(0, stream.finishedNodes);
        stream.append(piece);
        stream.draw();
        for (const { target, removedNodes } of changes.takeRecords()) {
          const those = [target, ...removedNodes];
          touched.push(...finished.filter((block) => those.some((node) => block.contains(node))));
        }
      }
      return [touched.length, stream.finishedNodes];
    }"""
    touched, finished = alices.evaluate(script, ANSWER)
    assert touched == 0
    assert finished > 8


def test_nothing_moves_when_the_answer_ends(
    alices: Page, session: ChatSession, openai_server: OpenAIServer, gate: Gate
) -> None:
    hold_before_the_end(openai_server, gate, ANSWER)
    open_session(alices, session)
    send(alices, "@ana speak")
    shown = text_of_lane(alices, "ana")
    expect(shown).to_contain_text("That is all.")
    expect(shown.locator("math")).to_have_count(2)
    line = shown.evaluate("(place) => parseFloat(getComputedStyle(place).lineHeight)")
    before = shown.evaluate(PLACES)
    shown.evaluate("(place) => { globalThis.before = [...place.children].slice(0, -1); }")
    alices.evaluate(WATCH_SHIFTS)
    gate.open()
    ended(alices)
    expect(shown).to_contain_text("End.")
    after = shown.evaluate(PLACES)
    assert [tag for tag, *_ in after[: len(before)]] == [tag for tag, *_ in before]
    for (_, *one), (_, *other) in zip(before, after, strict=False):
        assert max(abs(a - b) for a, b in zip(one, other, strict=True)) <= line
    assert max(alices.evaluate("globalThis.shifts"), default=0) <= line
    assert shown.evaluate("(place) => globalThis.before.every((block) => place.contains(block))"), (
        "the blocks are the very same: with the selection and the scroll position of the reader"
    )
    assert shown.locator(".code-block .k").count(), "the code is coloured now"
    shown.get_by_role("button", name="Copy", exact=True).click()
    expect(shown.get_by_role("button", name="Copied")).to_be_visible()


def test_a_page_loaded_meanwhile_shows_each_word_once(
    alices: Page, session: ChatSession, openai_server: OpenAIServer, gate: Gate
) -> None:
    hold_before_the_end(openai_server, gate, ANSWER)
    open_session(alices, session)
    send(alices, "@ana speak")
    shown = text_of_lane(alices, "ana")
    expect(shown).to_contain_text("That is all.")
    expect(shown.locator("math")).to_have_count(2)
    before = shown.inner_text()
    alices.reload()
    expect(shown).to_contain_text("That is all.")
    expect(shown.locator("math")).to_have_count(2)
    assert shown.inner_text() == before
    gate.open()
    ended(alices)
    assert shown.inner_text().count("That is all.") == 1


@pytest.mark.parametrize("sign", ["`", "*", "_", "[", "<", "|", "$", "> ", "\\(", "- ", "![", "~"])
def test_floods_of_signs_are_shown(alices: Page, session: ChatSession, sign: str) -> None:
    open_session(alices, session)
    flood = sign * (99_000 // len(sign)) + "x"
    text = f"Before.\n\n{flood}"
    html = streamed(alices, text, 5_000)
    # The beginning of a text may be too complex though all of it is not: long paragraphs are not parsed for emphasis.
    assert TOO_COMPLEX in html or as_shown(alices, html) == as_shown(alices, render_markdown(text))
    assert "x" in html


def test_a_text_that_is_too_long_is_plain_at_once(alices: Page, session: ChatSession) -> None:
    open_session(alices, session)
    html = streamed(alices, "**word** " * 12_000, 9_000)
    assert html.startswith(
        f'<p class="plain-note">{TOO_LONG}</p><pre class="plain-text" tabindex="0">**word**'
    )
    assert html.count("**word**") == 12_000
