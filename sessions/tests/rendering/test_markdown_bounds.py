"""Rendering time and HTML size are bounded for generated texts, counted in steps."""

from __future__ import annotations

import re
from html import escape

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from sessions.rendering.code_colours import CODE_LIMIT, ESCAPES_LIMIT, INSTEAD, LINE_LIMIT, SLOW
from sessions.rendering.markdown import (
    HTML_CHARS,
    HTML_PER_CHAR,
    RENDERER,
    RICH_LIMIT,
    TOO_COMPLEX,
    TOO_LONG,
    render_markdown,
)
from sessions.rendering.markdown_work import LINK_LIMIT
from sessions.tests.support.work import calls_of

CALLS_PER_TEXT = 1_500_000
"""About 200 ms. Lazily continued quotes of RICH_LIMIT characters took 20 times as many without a bound."""

PIECES = (
    *(
        "a",
        " ",
        "\n",
        "\n\n",
        "*",
        "**",
        "_",
        "~~",
        "`",
        "``",
        "[",
        "]",
        "(",
        ")",
        "](",
        "[a]",
        "[a](",
        "![",
        "<",
    ),
    *(
        ">",
        "> ",
        "- ",
        "1. ",
        "    ",
        "\t",
        "|",
        "|a",
        "|-",
        "\n|-|\n",
        "# ",
        "\n---\n",
        "\n===\n",
        "```\n",
        ":",
    ),
    *(
        "~~~\n",
        "```python\n",
        "```make\n",
        "://",
        "http://",
        "http://a.b/",
        "mailto:",
        "<http://a>",
        "&",
        "&amp;",
    ),
    *(
        "\\",
        "\\(",
        "\\)",
        "\\[",
        "\\]",
        "$",
        "$$",
        "$x$",
        "\n$$\n",
        "\\begin{align}\n",
        '"',
        "'",
        "[a]: http://b\n",
    ),
    *(
        "[a]:\n",
        "<br>",
        "é",
        "- [ ] ",
        "\\*",
        "**a**",
        "@",
        "%",
        "\u202e",
        "\u200b",
        "x" * 50,
        "word ",
        "[b][a]",
    ),
    *("字", "。", "（", "字**", "**「", "。**字", "가", "\ufe00"),
    *("![a](http://b)", "[a](http://b)", '[a](http://b "t")', '[a]: http://b "' + "t" * 3_000 + '"\n'),
    f"[a]: http://b/{'c' * (LINK_LIMIT - 9)}\n",
)

Part = tuple[str, int]
"""A piece, and how often it is there."""

units = st.lists(st.sampled_from(PIECES), min_size=1, max_size=5).map("".join)
parts = st.tuples(units, st.sampled_from((1, 2, 18, 40, 300, 3_000, RICH_LIMIT)))


def repeated(start: Part, body: list[Part], paragraph: int | None) -> str:
    """Return a text as long as any that is laid out: a start, and a body that is there again and again."""
    unit = "".join(piece * times for piece, times in body)[:RICH_LIMIT]
    if paragraph is not None:
        unit = unit[:paragraph] + "\n\n"
    return ((start[0] * start[1])[: RICH_LIMIT // 2] + unit * (RICH_LIMIT // len(unit)))[:RICH_LIMIT]


def assert_bounded(text: str) -> str:
    rendered: list[str] = []
    assert calls_of(lambda: rendered.append(render_markdown(text))) < CALLS_PER_TEXT
    (html,) = rendered
    assert len(html) <= (HTML_PER_CHAR + 40) * len(text) + HTML_CHARS
    return html


# Not made smaller: each try takes as long as a text may.
@settings(max_examples=40, deadline=None, derandomize=True, phases=(Phase.explicit, Phase.generate))
@given(parts, st.lists(parts, min_size=1, max_size=4), st.sampled_from((None, 200, 2_000, 9_000)))
def test_any_text_takes_bounded_work_and_space(start: Part, body: list[Part], paragraph: int | None) -> None:
    assert_bounded(repeated(start, body, paragraph))


@pytest.mark.parametrize(
    "text",
    [
        ">" * 18 + "a\n" + "b\n" * (RICH_LIMIT // 2 - 10),
        ("> " * 17 + "a\n") * (RICH_LIMIT // 40),
        ("- " * 18 + "a\n") * (RICH_LIMIT // 38),
        ("[" * 9_998 + "\n\n") * 10,
        ("http://a.example/(" * 500 + "\n\n") * 11,
        "|" + "a|" * 16_000 + "\n|" + "-|" * 16_000 + "\n|x|\n|y|",
        "|" + "a|" * 256 + "\n|" + "-|" * 256 + "\n" + "x\n" * 256,
        "- [ ] a\n" * (RICH_LIMIT // 8),
        ("*a " * 1_600 + "a* " * 1_600 + "\n\n") * 10,
        ("**（字" * 1_200 + "字）**" * 1_200 + "\n\n") * 10,
        "".join(f"[{number}]: http://a.example\n" for number in range(3_500)),
        "[a]: http://" + "é" * 1_900 + "\n\n" + "[a] " * 2_000,
        "\u202e" * RICH_LIMIT,
        "&" * RICH_LIMIT,
    ],
    ids=[
        *("lazy quotes", "quotes", "lists", "brackets", "links in links", "columns", "cells", "tasks"),
        *("emphasis in emphasis", "wide emphasis", "definitions", "a host", "overrides", "signs"),
    ],
)
def test_known_texts_take_bounded_work_and_space(text: str) -> None:
    assert_bounded(text)


@pytest.mark.parametrize("target", ["c" * 1_900, "c" * 50_000, 'c "' + "t" * 30_000 + '"'])
def test_a_definition_is_not_copied_out_of_proportion(target: str) -> None:
    text = f"[a]: http://a.b/{target}\n\n" + ("[a] " * 600 + "\n\n") * 4
    html = assert_bounded(text)
    assert len(html) < 10 * len(text)
    assert "[a] [a]" in html


def test_what_takes_too_much_is_plain_and_says_so() -> None:
    text = "<b>\n" + ">" * 18 + "a\n" + "b\n" * 40_000
    html = render_markdown(text)
    assert html.startswith(
        f'<p class="plain-note">{TOO_COMPLEX}</p><pre class="plain-text" tabindex="0">&lt;b&gt;\n'
    )
    assert html.count("\n") >= text.count("\n"), "line breaks are kept"
    assert TOO_LONG in render_markdown("x" * (RICH_LIMIT + 1))


def test_one_text_takes_nothing_from_the_next() -> None:
    render_markdown(">" * 18 + "a\n" + "b\n" * 40_000)
    assert render_markdown("*a*") == "<p><em>a</em></p>\n"


@pytest.mark.parametrize(
    "paragraph",
    [
        "Sell bread, not cake. It is a long sentence about what people want to know of the bakery.\n\n",
        "Sell **bread**, not *cake*. A [link](http://a.example) and some `code` of the bakery here.\n\n",
        "- **Bread**: it is sold by the `loaf`, and that is that for the day.\n",
        "The value $x_1 + y^2$ is more than \\(a\\), so we take it.\n\n",
    ],
)
def test_long_answers_that_people_read_are_laid_out(paragraph: str) -> None:
    assert "plain-note" not in render_markdown((paragraph * 2_000)[:60_000])


def test_a_link_has_a_bounded_address() -> None:
    assert "<a " in render_markdown(f"[a](http://{'b' * (LINK_LIMIT - 7)})")
    for text in (
        f"[a](http://{'b' * LINK_LIMIT})",
        f"<http://{'b' * LINK_LIMIT}>",
        f"http://{'b' * LINK_LIMIT}",
    ):
        html = render_markdown(text)
        assert "<a " not in html
        assert "b" * LINK_LIMIT in html


def coloured(html: str) -> int:
    return len(re.findall(r'<span class="[a-z]', html))


@pytest.mark.parametrize("language", sorted({*SLOW, "python", "javascript", "go"}))
def test_code_beyond_the_limit_of_its_language_has_no_colours(language: str) -> None:
    limit = CODE_LIMIT if language in INSTEAD else SLOW.get(language, CODE_LIMIT)
    line = 'class a: "b" 1 # c\n'
    assert coloured(render_markdown(f"```{language}\n{line * (limit // len(line) - 1)}```"))
    assert not coloured(render_markdown(f"```{language}\n{line * (limit // len(line) + 1)}```"))


@pytest.mark.parametrize(
    "code",
    ["a" * LINE_LIMIT, "a = 1" + " " * 200 + "b", "a\n" + "\n" * 200 + "b", '\\"\n' * (ESCAPES_LIMIT + 1)],
    ids=["line", "spaces", "empty lines", "quotes"],
)
def test_code_that_lexers_read_again_and_again_has_no_colours(code: str) -> None:
    html = render_markdown(f"```c\n{code}\n```")
    assert not coloured(html)
    assert escape(code, quote=False) in html


def test_all_code_of_a_text_shares_the_limit() -> None:
    block = "```python\n" + "x = 1\n" * 300 + "```\n\n"
    html = render_markdown(block * 40)
    assert 0 < coloured(html) < 40 * coloured(render_markdown(block))
    assert_bounded("```make\n" + "a" * 60 + "\n```\n")
    assert (
        0 < coloured(render_markdown("```csharp\nint a;\n```\n" * 1_000)) < 500
    )  # a lexer is made for each block
    assert_bounded(("```json\n" + ",\n" * 1_900 + "```\n\n") * 20)


def test_the_renderer_has_a_new_number_with_each_change() -> None:
    """Stored HTML is made again if it is of another number: raise RENDERER with what this says."""
    text = "# a\n\n*b* `c` [d](http://e)\n\n- [x] f\n\n|g|\n|-|\n|h|\n\n```python\nreturn 1\n```\n\n$$\ni\n$$"
    assert (RENDERER, render_markdown(text)) == (
        2,
        "<h3>a</h3>\n"
        '<p><em>b</em> <code>c</code> <a href="http://e" rel="noopener noreferrer nofollow">d</a></p>\n'
        '<ul dir="auto">\n<li class="task"><span class="task-box">☑</span> f</li>\n</ul>\n'
        '<div class="table-scroll" tabindex="0"><table dir="auto">\n<thead>\n<tr>\n<th>g</th>\n</tr>\n</thead>\n'
        "<tbody>\n<tr>\n<td>h</td>\n</tr>\n</tbody>\n</table></div>\n"
        '<div class="code-block"><div class="code-language">python</div><pre tabindex="0"><code>'
        '<span class="k">return</span> <span class="mi">1</span>\n</code></pre></div>\n'
        '<pre class="math" tabindex="0">$$\ni\n$$</pre>\n',
    )
