"""Emphasis beside Chinese, Japanese and Korean text is emphasis; everything else is as CommonMark has it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from sessions.rendering.markdown import render_markdown
from sessions.rendering.markdown_emphasis import is_east_asian
from sessions.rendering.markdown_work import CountingParser


@pytest.mark.parametrize(
    ("text", "html"),
    [
        ("**注意！**请看", "<strong>注意！</strong>请看"),
        ("这是**“重点”**内容", "这是<strong>“重点”</strong>内容"),
        ("我可以强调**这个`code`**吗", "我可以强调<strong>这个<code>code</code></strong>吗"),
        ("*（一）*二", "<em>（一）</em>二"),
        ("~~旧的。~~新的", "<s>旧的。</s>新的"),
        ("これは**「重点」**です。", "これは<strong>「重点」</strong>です。"),
        ("**ﾃﾞｰﾀ(半角)**です", "<strong>ﾃﾞｰﾀ(半角)</strong>です"),
        ("**重要。**ABC**（例）**です", "<strong>重要。</strong>ABC<strong>（例）</strong>です"),
        ("**マークダウン(Markdown)**を", "<strong>マークダウン(Markdown)</strong>を"),
        ("**마크다운(Markdown)**을 쓴다", "<strong>마크다운(Markdown)</strong>을 쓴다"),
        ('이것은 **"중요"**합니다', '이것은 <strong>"중요"</strong>합니다'),
        ("**葛\ufe00(a)**葛\ufe00**(b)**", "<strong>葛\ufe00(a)</strong>葛\ufe00<strong>(b)</strong>"),
        ("***重要！***です", "<em><strong>重要！</strong></em>です"),
        ("**開始**終了**「次」**", "<strong>開始</strong>終了<strong>「次」</strong>"),
    ],
)
def test_emphasis_needs_no_space_beside_wide_characters(text: str, html: str) -> None:
    assert render_markdown(text) == f"<p>{html}</p>\n"


def test_emphasis_in_a_list() -> None:
    assert "<li><strong>具体：</strong>与其说</li>" in render_markdown("* **具体：**与其说")


@pytest.mark.parametrize(
    "text",
    [
        "`**注意！**请看`",
        "```\n**注意！**请看\n```",
        "\\*\\*注意！\\*\\*请看",
        "注意 ** 请看 ** 吧",
        "蛇_の_例",
    ],
)
def test_what_is_no_emphasis_stays_as_written(text: str) -> None:
    html = render_markdown(text)
    assert "<strong>" not in html
    assert "<em>" not in html


def commonmark() -> MarkdownIt:
    parser = MarkdownIt("commonmark", {"html": False, "xhtmlOut": False}).enable("strikethrough")
    parser.block.ruler.enableOnly(["paragraph"])
    return parser


@given(st.text("ab1é*_~ .,(“”—😀⭐\u00a0", max_size=40))
def test_without_wide_characters_it_is_as_commonmark_has_it(text: str) -> None:
    ours = CountingParser()
    ours.block.ruler.enableOnly(["paragraph", "count_block"])
    assert ours.render_counted(text) == commonmark().render(text)


def test_what_is_east_asian() -> None:
    assert all(map(is_east_asian, "字ぁカ가가ﾃ，。「）〒㊗　ㄅ𠀀"))
    assert not any(map(is_east_asian, "aé1.(“”—·…Яא😀⭐👍🏽"))
