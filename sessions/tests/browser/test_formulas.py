"""Formulas are typeset as MathML, copied as TeX, and harmless whatever a model writes into them."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from orchestration.tests.providers import Answer, Gate, Hold, OpenAIServer
from sessions.models import ChatSession
from sessions.tests.browser.looking import PHONE
from sessions.tests.browser.steps import ended, open_session, send, text_of_lane
from sessions.tests.support.councils import says

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("nobody_runs")]

TEXT = r"""So $E = mc^2$ and \( a^2 + b^2 \), but $5 and $10:

$$ \int_0^\infty e^{-x^2}\,dx = \frac{\sqrt{\pi}}{2} + \frac{a}{b} + \frac{c}{d} + \frac{e}{f} $$

\[
\begin{pmatrix} 1 & 2 \\ 3 & 4 \end{pmatrix}
\]

\begin{align*}
a &= b \\
c &= d
\end{align*}

| a |
|---|
| $x_1$ |

"""
HOSTILE = [
    r"\href{javascript:pwned(1)}{x}",
    r"\url{https://evil.example}",
    r"\includegraphics{https://evil.example/x.png}",
    r"\class{lane}{x} \id{pwned}{x} \style{position:fixed}{x} \data{a=b}{x}",
    r"\htmlId{pwned}{x} \htmlClass{lane}{x}",
    r"\text{<img src=x onerror=pwned(2)>}",
    r"\verb|<script>pwned(3)</script>|",
    r"x\label{transcript}\tag{1} \ref{transcript}",
    r"\color{url(https://evil.example)}{x}",
    r"\colorbox{red;background:url(https://evil.example)}{x}",
    r"\hspace{-300em}\rule{300em}{300em}",
    r"\raisebox{90em}{x}\mathrlap{\kern{90em}x}",
    r"\def\a{xxxxxxxxxx}\def\b{\a\a\a\a\a\a\a\a}\b\b\b\b",
    r"\newcommand{\a}{\a\a}\a",
    r"\gdef\frac{stolen}",
    "\\def\\a{" + "x" * 1_500 + "}" + r"\a" * 400,
    "{" * 1_400 + "x" + "}" * 1_400,
    r"\sqrt" * 500 + "x",
    "x" + "^{x" * 700 + "}" * 700,
    r"\left(" * 200 + "x" + r"\right)" * 200,
    r"\begin{matrix}" * 100 + r"\end{matrix}" * 100,
    r"\begin{matrix}" + "&" * 2_900 + r"\end{matrix}",
    "x+" * 4_000 + "x",
    r"\__proto__",
    r"\constructor",
    r"\char" + '"202E x',
    r"\unknown{x}",
    r"\frac{",
]
TYPESET = """async (sources) => {
  const { typesetFormulas } = await import("/static/js/formulas.js");
  const place = document.createElement("div");
  place.className = "lane-text prose";
  place.dataset.text = "";
  document.querySelector("[data-transcript]").append(place);
  for (const source of sources) {
    const code = document.createElement("code");
    code.className = "math";
    code.textContent = `\\\\(${source}\\\\)`;
    place.append(code, " ");
  }
  typesetFormulas(place);
}"""
PARTS = """(place) => {
  const wrong = [];
  for (const formula of place.querySelectorAll(".formula")) {
    for (const element of formula.querySelectorAll("*")) {
      const isMath = element.namespaceURI.endsWith("/MathML") || element.nodeName === "SPAN";
      if (!isMath) wrong.push(element.nodeName);
      for (const { name, value } of element.attributes) {
        const leads = ["id", "href", "src", "name"].includes(name) || name.startsWith("on") || value.includes("url(");
        if (leads) wrong.push(`${element.nodeName} ${name} ${value}`);
      }
    }
    if (/[\\u202a-\\u202e]/.test(formula.textContent)) wrong.push("reordered");
  }
  return wrong;
}"""
SELECT_ALL = """(place) => {
  getSelection().selectAllChildren(place);
  document.execCommand("copy");
}"""


def test_formulas_are_typeset_while_they_stream_and_later(
    alices: Page, session: ChatSession, openai_server: OpenAIServer, gate: Gate
) -> None:
    openai_server.when(says("ana"), Answer([TEXT, "Then.\n\n", "End."], at={2: Hold(gate)}))
    open_session(alices, session)
    send(alices, "@ana speak")
    shown = text_of_lane(alices, "ana")
    for _ in range(3):  # as it streams, as it is stored, and on a page loaded later
        expect(shown.locator("math")).to_have_count(6)
        expect(shown.locator("math mfrac")).to_have_count(4)
        expect(shown.locator("math mtable")).to_have_count(2)
        expect(shown.locator("td math msub")).to_have_count(1)
        expect(shown.locator(".math")).to_have_count(0)
        expect(shown).to_contain_text("but $5 and $10:")
        assert shown.evaluate("(place) => place.innerText.includes('mc^2')") is False
        if gate.is_open:
            alices.reload()
        else:
            gate.open()
            ended(alices)
    alices.set_viewport_size(PHONE)  # type: ignore[arg-type]
    assert alices.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0


def test_brackets_grow_with_what_they_hold(
    alices: Page, session: ChatSession, openai_server: OpenAIServer
) -> None:
    openai_server.when(says("ana"), Answer(TEXT))
    open_session(alices, session)
    send(alices, "@ana speak")
    ended(alices)
    matrix = text_of_lane(alices, "ana").locator("math", has=alices.locator("mtable")).first
    expect(matrix.locator("mtd")).to_have_count(4)
    height = "(element) => element.getBoundingClientRect().height"
    table = matrix.locator("mtable").evaluate(height)
    for bracket in matrix.locator("mo").all():
        assert bracket.evaluate(height) >= table


def test_copying_a_selection_gives_the_tex(
    alices: Page, session: ChatSession, openai_server: OpenAIServer
) -> None:
    openai_server.when(says("ana"), Answer(TEXT))
    open_session(alices, session)
    send(alices, "@ana speak")
    ended(alices)
    shown = text_of_lane(alices, "ana")
    expect(shown.locator("math")).to_have_count(6)
    shown.evaluate(SELECT_ALL)
    copied = alices.evaluate("navigator.clipboard.readText()")
    assert copied.startswith(r"So $E = mc^2$ and \( a^2 + b^2 \), but $5 and $10:")
    assert "\\begin{align*}\na &= b \\\\\nc &= d\n\\end{align*}" in copied
    assert r"e^{-x^2}\,dx = \frac{\sqrt{\pi}}{2}" in copied
    assert alices.locator(".formula-copy").count() == 0


def test_hostile_tex_is_typeset_harmlessly_or_shown(alices: Page, session: ChatSession) -> None:
    alices.add_init_script("globalThis.pwned = (what) => console.error(`TeX ran: ${what}`);")
    open_session(alices, session)
    alices.evaluate(TYPESET, HOSTILE)
    place = alices.locator(".lane-text").last
    expect(place.locator("code.math:not(.math-kept)")).to_have_count(0)
    assert place.locator(".formula, .math-kept").count() == len(HOSTILE)
    assert place.evaluate(PARTS) == []
    assert place.locator("img, a, script, [id]").count() == 0
    for source in (HOSTILE[0], HOSTILE[12], HOSTILE[15], HOSTILE[-2]):
        expect(place.locator(".math-kept", has_text=source[:40]).first).to_be_attached()
    assert place.evaluate("(place) => getComputedStyle(place).overflowX") == "clip"
    assert alices.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
    alices.evaluate(TYPESET, [r"\frac{a}{b}"])
    expect(alices.locator(".lane-text").last.locator("mfrac")).to_have_count(1)  # no definition has stayed


def test_a_page_without_formulas_does_not_load_their_script(
    alices: Page, session: ChatSession, openai_server: OpenAIServer
) -> None:
    loaded: list[str] = []
    alices.on("request", lambda request: loaded.append(request.url))
    openai_server.when(says("ana"), Answer("It costs $5 or **$10**."))
    open_session(alices, session)
    send(alices, "@ana speak")
    ended(alices)
    assert not [url for url in loaded if "temml" in url.lower()]
