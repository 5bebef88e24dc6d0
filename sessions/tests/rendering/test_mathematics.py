"""TeX stays as a model wrote it; text that is not TeX is not a formula."""

from __future__ import annotations

import html

import pytest

from sessions.rendering.markdown import render_markdown


def line(tex: str) -> str:
    return f'<code class="math">{html.escape(tex)}</code>'


def block(tex: str) -> str:
    return f'<pre class="math" tabindex="0">{html.escape(tex)}</pre>\n'


@pytest.mark.parametrize(
    "tex",
    [
        r"\( a^2 + b^2 \)",
        r"\[ x \]",
        r"\(f(x)_1 *y* z_2\)",
        r"\(a \\) b\)",
        "$E = mc^2$",
        "$a_1*b*c_2$",
        r"$e^{-x^2}\,dx$",
        r"$\$5 < x$",
        "$a + b$",
        "$n$",
        "$2x$",
        r"$$ \int_0^\infty e^{-x^2}\,dx $$",
        r"\(</code><b>\)",
    ],
)
def test_a_formula_in_a_line_is_kept(tex):
    assert render_markdown(f"so **{tex}**, and *that*.") == (
        f"<p>so <strong>{line(tex)}</strong>, and <em>that</em>.</p>\n"
    )
    assert line(tex) in render_markdown(f"由{tex}得"), "scripts that are written without spaces"


@pytest.mark.parametrize(
    "tex",
    [
        r"$$ \int_0^\infty e^{-x^2}\,dx = \frac{\sqrt{\pi}}{2} $$",
        "\\[\nx = a\n- b \\\\\n= c_1*d*e_2\n\\]",
        "$$\na\n===\n$$.",
        "\\begin{align*}\na &= b \\\\\nc &= d\n\\end{align*}",
        "\\[\n\\begin{pmatrix} 1 \\\\ 2 \\end{pmatrix}\n\\]",
    ],
)
def test_a_formula_on_lines_of_its_own_is_kept(tex):
    assert render_markdown(f"so\n{tex}\nand *that*") == (f"<p>so</p>\n{block(tex)}<p>and <em>that</em></p>\n")
    for before, indent in (("- ", "  "), ("> ", "> ")):
        assert block(tex) in render_markdown(f"{before}so\n{indent}" + tex.replace("\n", f"\n{indent}"))


@pytest.mark.parametrize(
    "text",
    [
        "$5 and $10",
        "$5, $10 or $20.",
        "$5/$10, $100-$200, US$5 and US$6",
        "$5/month or 7$/month",
        "$HOME/$USER and $PATH:$HOME",
        "$ a $",
        "$$ and $$$",
        "from 4$ to 5$",
        "$$",
    ],
)
def test_amounts_and_variables_are_text(text):
    assert render_markdown(text) == f"<p>{text}</p>\n"


def test_brackets_that_were_escaped_are_brackets():
    assert render_markdown(r"list\[0\], f\(x\) and \\(y\\)") == r"<p>list[0], f(x) and \(y\)</p>" + "\n"
    assert "[x](" in render_markdown(r"\[x\](https://example.com)")


def test_code_is_no_formula():
    assert render_markdown("`$a_1$`") == "<p><code>$a_1$</code></p>\n"
    assert "math" not in render_markdown("```\n$$\nx\n$$\n```\n\n    \\[ x \\]\n")


@pytest.mark.parametrize("text", ["\\[\nopen\n\n*after*", "$$\nopen\n\n*after*", "> \\[\nlazy\n\n*after*"])
def test_a_formula_left_open_takes_nothing_with_it(text):
    html = render_markdown(text)
    assert "math" not in html
    assert "<em>after</em>" in html
