"""Render a model's text as HTML that can neither run nor load anything.

Three layers, each sufficient alone: the parser accepts no raw HTML and only http, https and mailto links; the
renderer writes no style, id or image; nh3 allows only the elements and attributes listed here.

Time and output are bounded for any text. A text is shown as plain text, with a note, if it has more than
RICH_LIMIT characters, exceeds the work limit of `markdown_work`, or would produce disproportionate HTML.
Paragraphs over INLINE_LIMIT have no emphasis or links, addresses over LINK_LIMIT are not links, code over the
limits of `code_colours` is not highlighted, and blocks nested deeper than NESTING_LIMIT are shown as source.

static/js/markdown has the same rules for text that streams; a change here needs one there.
"""

from __future__ import annotations

import html
import re
import threading
from collections.abc import Callable, MutableMapping, Sequence
from typing import Any

import nh3
from markdown_it.renderer import RendererHTML
from markdown_it.rules_block import StateBlock
from markdown_it.rules_core import StateCore
from markdown_it.rules_inline import StateInline
from markdown_it.token import Token
from markdown_it.utils import OptionsDict

from sessions.rendering.code_colours import CODE_CLASSES, Colours
from sessions.rendering.markdown_work import CountingParser, TooMuchWork
from sessions.rendering.mathematics import keep_mathematics

RENDERER = 2
"""Version of stored HTML. Increment it with each change that renders a text differently."""

RICH_LIMIT = 100_000
"""Maximum characters of a text rendered as Markdown."""
INLINE_LIMIT = 10_000
"""Maximum characters of a paragraph, heading or cell parsed for emphasis and links."""
NESTING_LIMIT = 18
"""Maximum nesting of quotes, lists and list items; deeper ones are not parsed."""
INLINE_NESTING_LIMIT = 40
"""Maximum emphasis and links open at one place: browsers are slow on deep nesting."""
LABEL_LIMIT = 24

HTML_PER_CHAR, HTML_CHARS = 32, 10_000
"""Maximum characters of HTML: per character of text, plus a constant. Code of single signs needs 28 per character."""
TARGETS_PER_CHAR, TARGETS_CHARS = 4, 10_000
"""The same limit for link addresses and titles: a definition is written once and copied at each use."""

TOO_LONG = "Too long to format. Shown as plain text."
TOO_COMPLEX = "Too complex to format. Shown as plain text."

# Overrides, embeddings and isolates of the bidirectional algorithm: they reorder displayed text, so they are
# made visible.
_BIDI = re.compile("[\u202a-\u202e\u2066-\u2069]")
# Invisible: controls, soft hyphen, marks, zero-width spaces, joiners outside scripts and emoji that need
# them, fillers, invisible operators, interlinear annotation, tags.
_INVISIBLE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180e\u200b\u200e\u200f\u2028\u2029"
    "\u2060-\u2065\u206a-\u206f\u3164\ufeff\uffa0\ufff0-\ufffb\U000e0000-\U000e0fff]"
    "|(?<![^\x00-\x7f])[\u200c\u200d]|[\u200c\u200d](?![^\x00-\x7f])"
)

_LONE_SURROGATE = re.compile("[\ud800-\udfff]")

_ALIGN = {
    "text-align:left": "align-left",
    "text-align:center": "align-center",
    "text-align:right": "align-right",
}
_LINE_BREAK = re.compile(r"<br ?/?>", re.IGNORECASE)
_TASK = re.compile(r"\[([ xX])\]\s")
_SIDED = ("blockquote_open", "bullet_list_open", "ordered_list_open")
"""Elements with a bar, bullets or numbers on the side where their text begins."""

_TAGS = {
    "a", "blockquote", "br", "code", "div", "em", "h3", "h4", "h5", "h6", "hr", "li", "ol", "p", "pre", "s", "span",
    "strong", "table", "tbody", "td", "th", "thead", "tr", "ul",
}  # fmt: skip
_CELL_CLASSES = set(_ALIGN.values())
_CLEANER = nh3.Cleaner(
    tags=_TAGS,
    clean_content_tags={"script", "style"},
    attributes={"a": {"href", "title"}, "ol": {"start"}},
    tag_attribute_values={
        **{tag: {"dir": {"auto"}} for tag in ("blockquote", "ol", "table", "ul")},
        **{tag: {"tabindex": {"0"}} for tag in ("div", "pre")},
    },
    allowed_classes={
        "code": {"math"},
        "div": {"code-block", "code-language", "table-scroll"},
        "li": {"task"},
        "pre": {"math", "plain-text"},
        "span": {"task-box", *CODE_CLASSES},
        "td": _CELL_CLASSES,
        "th": _CELL_CLASSES,
    },
    url_schemes={"http", "https", "mailto"},
    url_relative="deny",
    link_rel="noopener noreferrer nofollow",
)


def render_markdown(text: str) -> str:
    """Return safe HTML for a model's text: CommonMark with tables, tasks, strikethrough and bare links."""
    text = visible_text(text)
    if len(text) > RICH_LIMIT:
        return _plain(text, TOO_LONG)
    try:
        rendered = _parser().render_counted(text)
    except TooMuchWork:
        return _plain(text, TOO_COMPLEX)
    if len(rendered) > HTML_PER_CHAR * len(text) + HTML_CHARS:
        return _plain(text, TOO_COMPLEX)
    # Again at the end: character references such as `&#x202e;` have become characters only now.
    return visible_text(_CLEANER.clean(rendered))


def _plain(text: str, note: str) -> str:
    shown = f'<pre class="plain-text" tabindex="0">{html.escape(text)}</pre>'
    return f'<p class="plain-note">{note}</p>{shown}'


def visible_text(text: str) -> str:
    """Return the text with direction overrides named and invisible characters removed.

    Joiners are kept between letters of scripts and emoji that use them. Half a surrogate pair, which cannot
    be encoded, becomes U+FFFD. static/js/visible-text.js does the same for streamed text.
    """
    text = _LONE_SURROGATE.sub("\ufffd", text.replace("\r\n", "\n").replace("\r", "\n"))
    return _BIDI.sub(lambda match: f"⟦U+{ord(match[0]):04X}⟧", _INVISIBLE.sub("", text))


def _leave_deep_nesting(state: StateBlock, start: int, end: int, silent: bool) -> bool:
    """Keep blocks that are nested too deeply as source; the parser would drop them."""
    if state.level < NESTING_LIMIT:
        return False
    line = start
    while line < end and (state.isEmpty(line) or not 0 <= state.sCount[line] < state.blkIndent):
        line += 1
    token = state.push("code_block", "code", 0)
    token.content = state.getLines(start, line, state.blkIndent, False)
    token.map = [start, line]
    state.line = line
    return True


def _leave_long_paragraphs(state: StateCore) -> None:
    """Keep content that is too long for the inline parser as plain text: the parser's cost is quadratic."""
    for token in state.tokens:
        if token.type == "inline" and len(token.content) > INLINE_LIMIT:
            token.type = "text"


def _refuse_excess(state: StateCore) -> None:
    """Raise TooMuchWork if links would be copied out of proportion or emphasis is nested too deeply."""
    left = TARGETS_PER_CHAR * len(state.src) + TARGETS_CHARS
    for token in state.tokens:
        for child in token.children or ():
            left -= sum(len(str(value)) for value in child.attrs.values())
            if left < 0 or child.level > INLINE_NESTING_LIMIT:
                raise TooMuchWork


def _shape(state: StateCore) -> None:
    """Adapt the tokens to the page: headings below the page's own, aligned cells, tasks, images as links."""
    for place, token in enumerate(state.tokens):
        if token.type in ("heading_open", "heading_close"):
            token.tag = f"h{min(6, int(token.tag[1]) + 2)}"
        elif token.type in _SIDED:
            token.attrs["dir"] = "auto"
        elif token.type in ("td_open", "th_open"):
            align = _ALIGN.get(str(token.attrs.pop("style", "")))
            if align:
                token.attrs["class"] = align
        elif token.children:
            token.children = _images_as_links(token.children)
            if place > 1 and state.tokens[place - 2].type == "list_item_open":
                _tick(state.tokens[place - 2], token.children)


def _tick(item: Token, children: list[Token]) -> None:
    """Draw a task's checkbox. The existing plugin is slow on long lists and writes form fields."""
    if children[0].type != "text" or not (task := _TASK.match(children[0].content)):
        return
    item.attrSet("class", "task")
    children[0].content = children[0].content[task.end() :]
    children.insert(0, Token("task_box", "span", 0, content="☐" if task[1] == " " else "☑"))


def _render_task_box(token: Token) -> str:
    return f'<span class="task-box">{token.content}</span> '


def _break_line(state: StateInline, silent: bool) -> bool:
    """Parse `<br>`, the only way to break a line in a table cell. No other tag is interpreted."""
    found = _LINE_BREAK.match(state.src, state.pos, state.posMax)
    if not found:
        return False
    if not silent:
        state.push("hardbreak", "br", 0)
    state.pos = found.end()
    return True


def _images_as_links(children: Sequence[Token]) -> list[Token]:
    """Replace each image by its description, linked to the image; within a link by the description alone."""
    shaped: list[Token] = []
    open_links = 0
    for token in children:
        open_links += (token.type == "link_open") - (token.type == "link_close")
        if token.type != "image":
            shaped.append(token)
            continue
        description = Token("text", "", 0, content=token.content or "image")
        if open_links:
            shaped.append(description)
        else:
            link = Token("link_open", "a", 1, attrs={"href": token.attrs["src"]})
            shaped += [link, description, Token("link_close", "a", -1)]
    return shaped


def _render_code(
    renderer: RendererHTML,
    tokens: Sequence[Token],
    index: int,
    options: OptionsDict,
    env: MutableMapping[str, Any],
) -> str:
    """Render a code block with its language as label."""
    code, language = tokens[index].content, tokens[index].info.strip().split(maxsplit=1)[:1]
    name = language[0].lower() if language else ""
    if "colours" not in env:
        env["colours"] = Colours(_parser().share_left)
    colours: Colours = env["colours"]
    body = colours.html(code, name) or html.escape(code)
    label = html.escape(name[:LABEL_LIMIT] or "text")
    return (
        f'<div class="code-block"><div class="code-language">{label}</div>'
        f'<pre tabindex="0"><code>{body}</code></pre></div>\n'
    )


def _render_math(token: Token) -> str:
    return f'<pre class="math" tabindex="0">{html.escape(token.content)}</pre>\n'


def _of_token(render: Callable[[Token], str]) -> Callable[..., str]:
    """Return a render rule that needs only its token."""

    def rule(
        renderer: RendererHTML,
        tokens: Sequence[Token],
        index: int,
        options: OptionsDict,
        env: MutableMapping[str, Any],
    ) -> str:
        return render(tokens[index])

    return rule


def _open_table(*_: Any) -> str:
    return '<div class="table-scroll" tabindex="0"><table dir="auto">\n'


def _close_table(*_: Any) -> str:
    return "</table></div>\n"


def _make_parser() -> CountingParser:
    parser = CountingParser()
    parser.options["maxNesting"] = NESTING_LIMIT + 2  # a list and its item
    if parser.linkify is not None:
        # Link only with an explicit scheme: README.md and main.rs are file names, though md and rs are
        # country domains.
        parser.linkify.set({"fuzzy_link": False, "fuzzy_email": False, "fuzzy_ip": False})
    # Without an `alt`, the rule is never tried as the end of a paragraph.
    parser.block.ruler.before("table", "leave_deep_nesting", _leave_deep_nesting)
    parser.core.ruler.before("inline", "leave_long_paragraphs", _leave_long_paragraphs)
    parser.core.ruler.push("refuse_excess", _refuse_excess)
    parser.core.ruler.push("shape", _shape)
    parser.inline.ruler.before("autolink", "break_line", _break_line)
    keep_mathematics(parser)
    for rule in ("fence", "code_block"):
        parser.add_render_rule(rule, _render_code)
    parser.add_render_rule("math_block", _of_token(_render_math))
    parser.add_render_rule("task_box", _of_token(_render_task_box))
    parser.add_render_rule("table_open", _open_table)
    parser.add_render_rule("table_close", _close_table)
    return parser


_parsers = threading.local()


def _parser() -> CountingParser:
    """Return this thread's parser: the search for bare links keeps its position in the parser object."""
    if not hasattr(_parsers, "parser"):
        _parsers.parser = _make_parser()
    parser: CountingParser = _parsers.parser
    return parser
