"""A Markdown parser that counts its steps and stops before a text takes too many.

A step is one try of the rules at one position. Ordinary texts take about one per position; pathological ones
take one per position, level and definition. Text that a rule may scan ahead is counted too. No clock is used,
so a text is rendered identically on every machine.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import cast

from markdown_it import MarkdownIt
from markdown_it.parser_inline import ParserInline
from markdown_it.rules_block import StateBlock
from markdown_it.rules_core import StateCore
from markdown_it.rules_inline import StateInline
from markdown_it.token import Token
from markdown_it.utils import EnvType

from sessions.rendering.markdown_emphasis import EastAsianInline

WORK_LIMIT = 120_000
"""Work limit of one text, in units of about a microsecond.

100,000 characters of prose with some emphasis use half of it.
"""
LINK_LIMIT = 2_000
"""Maximum characters of a linked address; browsers and servers do not reliably support longer ones."""

BLOCK_STEP = 6
INLINE_STEP = 3
TEXT_STEP = 1
DEFINITION = 30
EMPHASIS = 4
TOKEN = 3
LINK = 20

_ALLOWED_LINK = re.compile(r"(https?://|mailto:)[^\s]", re.IGNORECASE)
_NO_SPACE = re.compile(r"[^\s]*")
_TO_ANGLE = re.compile(r"<[^<>]*")
_RUN = re.compile(r"([*_~])\1*")


class TooMuchWork(Exception):
    """A text exceeds its work limit."""


class CountingParser(MarkdownIt):
    """A CommonMark parser that raises TooMuchWork. For one thread: parsers keep their position in themselves."""

    def __init__(self) -> None:
        self._left = 0
        super().__init__("commonmark", {"html": False, "linkify": True, "xhtmlOut": False})
        self.inline = CountingInline()
        self.enable(["table", "strikethrough", "linkify"])
        self.inline.ruler.disable("html_inline")
        self.block.ruler.disable("html_block")
        # The inline rule of this name leaves only bare mailto: addresses to it, which are not worth a second
        # scan of all text.
        self.core.ruler.disable("linkify")
        ends = ["paragraph", "reference", "blockquote", "list"]
        self.core.ruler.before("block", "count_tokens", _count_tokens)
        self.block.ruler.before("table", "count_block", _count_block, {"alt": ends})
        self.inline.ruler.before("text", "count_inline", _count_inline)

    def render_counted(self, text: str) -> str:
        self._left = WORK_LIMIT
        return str(self.render(text, {}))

    @property
    def share_left(self) -> float:
        """The unused part of the text's work limit."""
        return self._left / WORK_LIMIT

    def take(self, units: int) -> None:
        """Count units of work before they are done."""
        self._left -= units
        if self._left < 0:
            raise TooMuchWork

    def normalizeLink(self, url: str) -> str:
        return super().normalizeLink(url) if self._takes(url) else ""

    def normalizeLinkText(self, link: str) -> str:
        return super().normalizeLinkText(link) if self._takes(link) else link

    def validateLink(self, url: str) -> bool:
        return bool(_ALLOWED_LINK.match(url))

    def _takes(self, url: str) -> bool:
        if len(url) > LINK_LIMIT:
            return False
        self.take(LINK + len(url) * (1 if url.isascii() else 8))
        return True


class CountingInline(ParserInline):
    """The inline parser.

    Its search for the end of a label skips known tokens without trying a rule, so skips are counted here.
    """

    def skipToken(self, state: StateInline) -> None:
        _parser_of(state).take(1)
        super().skipToken(state)

    def parse(self, src: str, md: MarkdownIt, env: EnvType, tokens: list[Token]) -> list[Token]:
        """Do what the base class does, with a state of ours, which it cannot be given."""
        state = EastAsianInline(src, md, env, tokens)
        self.tokenize(state)
        for rule in self.ruler2.getRules(""):
            rule(state)
        return state.tokens


class CountedTokens(list[Token]):
    """The block tokens of a text. Each becomes a tag, and the end of a list looks at all tokens within it."""

    def __init__(self, parser: CountingParser) -> None:
        super().__init__()
        self._parser = parser

    def append(self, token: Token) -> None:
        self._parser.take(TOKEN + token.level // 4)
        super().append(token)


def _parser_of(state: StateCore | StateBlock | StateInline) -> CountingParser:
    return cast("CountingParser", state.md)


def _count_tokens(state: StateCore) -> None:
    state.tokens = CountedTokens(_parser_of(state))


def _count_block(state: StateBlock, start: int, end: int, silent: bool) -> bool:
    """Count a step and the line, which several rules read to its end. Matches nothing."""
    begin, until = state.bMarks[start] + state.tShift[start], state.eMarks[start]
    definition = DEFINITION if begin < until and state.src[begin] == "[" else 0
    _parser_of(state).take(BLOCK_STEP + definition + (until - begin) // 16)
    return False


def _count_inline(state: StateInline, silent: bool) -> bool:
    """Count a step, and the text that the rules for this character may scan ahead. Matches nothing."""
    character = state.src[state.pos]
    units = TEXT_STEP if character.isalnum() or character == " " else INLINE_STEP
    further = _FURTHER.get(character)
    _parser_of(state).take(units + (further(state) if further else 0))
    return False


def _emphasis(state: StateInline) -> int:
    """Each sign of a run is a token that searches for its counterpart."""
    return EMPHASIS + _length(_RUN, state)


def _target(state: StateInline) -> int:
    return _length(_NO_SPACE, state) // 4


def _autolink(state: StateInline) -> int:
    return _length(_TO_ANGLE, state) // 8


def _bare_link(state: StateInline) -> int:
    """The scheme is searched in all text since the last token."""
    if not state.src.startswith("://", state.pos):
        return 0
    return (len(state.pending) + _length(_NO_SPACE, state)) // 4


def _length(pattern: re.Pattern[str], state: StateInline) -> int:
    found = pattern.match(state.src, state.pos)
    return found.end() - found.start() if found else 0


_FURTHER: dict[str, Callable[[StateInline], int]] = {
    **dict.fromkeys("*_~", _emphasis),
    **dict.fromkeys("[!", _target),
    "<": _autolink,
    ":": _bare_link,
}
