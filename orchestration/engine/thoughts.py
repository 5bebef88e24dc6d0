"""Thoughts inside an answer's text: separated from the answer while it streams.

Servers that do not recognize a model's reasoning send it as text between tags. If the chat template has opened the
thought already, the text has only the closing tag.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import groupby
from operator import attrgetter
from typing import Literal

from orchestration.engine.markdown_code import CodeTracker

NAMES = ("think", "thinking", "thought", "reasoning", "seed:think")
FINAL = "<|channel|>final<|message|>"
OPENING_TAGS = (
    *(f"<{name}>" for name in NAMES),
    "[THINK]",
    "<|begin_of_thought|>",
    "<|channel|>analysis<|message|>",
)
CLOSING_TAGS = (
    *(f"</{name}>" for name in NAMES),
    "[/THINK]",
    "<|end_of_thought|>",
    f"<|end|><|start|>assistant{FINAL}",
    FINAL,
)
"""Qwen, DeepSeek and MiniMax write `think`, Gemini `thought`, Seed-OSS `seed:think`, Magistral `[THINK]`, OpenThinker
`begin_of_thought`, and gpt-oss its channels where a server does not read them."""
TAGS = (*OPENING_TAGS, *CLOSING_TAGS)
LONGEST_TAG = max(map(len, TAGS))
TAG = re.compile("|".join(rf"(?ai:{re.escape(tag)})" if tag[:1] == "<" else re.escape(tag) for tag in TAGS))
SLICE_CHARS = 200
"""Text is read in slices of this size: each closing tag without an opening one goes through the slice so far again."""

SPECIAL = re.compile(r"\n|<(?=[/|rst]|\Z)|\[(?=[/T]|\Z)|`+|~+", re.IGNORECASE)
"""Where a tag, code or a line may begin."""
QUOTES = frozenset("\"'“”‘’«»„‹›(")
"""A tag directly after one of these is mentioned, not used."""

SPLIT_CHARS = 100_000
"""Splitting takes seconds per million characters, in which other turns wait. What is parsed as a whole is short."""

PieceKind = Literal["text", "reasoning", "rewind"]


@dataclass(frozen=True, slots=True)
class StreamPiece:
    """A part of the stream. `rewind` has no text: all text before it was reasoning."""

    kind: PieceKind
    text: str = ""


class ThoughtSplitter:
    """Splits a stream of text into answer and reasoning. The result does not depend on the division into pieces.

    Tags in code, and after a quotation mark, are text. A closing tag without an opening one turns the answer so far
    into reasoning. A thought without an end is reasoning if it began a line, else text.
    """

    def __init__(self, *, opens_in_thought: bool = False) -> None:
        """`opens_in_thought`: the text up to the first closing tag is reasoning; without one, it is the answer."""
        self.rewound = False
        """The answer had a closing tag without an opening one."""
        self._held = ""
        """The end of the stream that may still become a tag or a longer run."""
        self._pieces: list[StreamPiece] = []
        self._answer_code = CodeTracker()
        self._code = self._answer_code
        self._last = ""
        """The last character."""
        self._blank: list[str] = []
        """White space at the beginning of the answer, which a thought after it removes."""
        self._has_answer = False
        self._depth = 0
        self._has_block = False
        """A thought with both tags has been seen."""
        self._is_after_thought = False
        self._implicit = opens_in_thought
        """The thought that the stream is in has no opening tag."""
        self._opened_by = ""
        """The opening tag, if it was in the middle of a line."""
        self._thought: list[str] = []
        """The text of the thought that the stream is in."""
        self._after_close: list[str] | None = None
        """The text since the last closing tag within the thought that did not end it."""
        if opens_in_thought:
            self._enter("")

    @property
    def _in_thought(self) -> bool:
        return self._depth > 0

    def skip_implicit_thought(self) -> None:
        """The server separates the reasoning itself: the text begins with the answer."""
        if self._implicit and not self._thought and not self._held:
            self._implicit, self._depth, self._code = False, 0, self._answer_code

    def feed(self, text: str) -> list[StreamPiece]:
        """Add text and return what is known now."""
        pieces: list[StreamPiece] = []
        for start in range(0, len(text), SLICE_CHARS):
            pieces += self._read(self._held + text[start : start + SLICE_CHARS], is_end=False)
        return compacted(pieces)

    def finish(self) -> list[StreamPiece]:
        """Return the rest, at the end of the stream."""
        pieces = self._read(self._held, is_end=True)
        if not self._in_thought:
            if self._blank:
                pieces.append(StreamPiece("text", "".join(self._blank)))
            return pieces
        if self._after_close is not None:
            rest = "".join(self._after_close)
            rest = rest if self._has_answer else rest.lstrip()
        elif self._opened_by or self._implicit:
            rest = self._opened_by + "".join(self._thought)
        else:
            rest = ""
        return [*pieces, StreamPiece("text", rest)] if rest else pieces

    def _read(self, text: str, *, is_end: bool) -> list[StreamPiece]:
        self._pieces, self._held = [], ""
        at = 0
        while at < len(text):
            special = SPECIAL.search(text, at)
            end = special.start() if special else len(text)
            if end > at:
                self._code.add(text[at:end])
                self._put(text[at:end])
            if special is None:
                break
            at, mark = special.end(), special[0]
            if mark in "<[":
                found = TAG.match(text, end)
                tag = found[0] if found else None
                is_near_end = len(text) - end < LONGEST_TAG
                if tag is None and not is_end and is_near_end and may_become_tag(text[end:]):
                    self._held = text[end:]
                    break
                mark = tag or mark
                at = end + len(mark)
                if tag is not None and self._take_tag(tag):
                    continue
                self._code.add(mark)
            elif mark == "\n":
                self._code.end_line()
            elif at == len(text) and not is_end:
                self._held = mark
                break
            else:
                self._code.add_run(mark)
            self._put(mark)
        return self._pieces

    def _take_tag(self, tag: str) -> bool:
        """Process a tag; return whether it is one, or else text."""
        opens, quoted = folded(tag) in OPENING_TAGS, self._last in QUOTES
        if self._in_thought:
            return self._take_tag_in_thought(tag, opens=opens, quoted=quoted)
        if self._code.in_code or quoted:
            return False
        if opens:
            self._blank = []
            self._enter("" if self._code.at_line_start else tag)
            return True
        if self._has_block and self._has_answer and not self._code.at_line_start:
            return False  # a thought has ended before this answer: the tag is mentioned
        self._rewind()
        return True

    def _take_tag_in_thought(self, tag: str, *, opens: bool, quoted: bool) -> bool:
        if opens:
            if self._implicit and all(part.isspace() for part in self._thought):
                self._implicit = False  # the thought has its opening tag after all
                return True
            if not (self._code.in_code or quoted):
                self._depth += 1
            return False
        if not (self._code.in_code or quoted):
            self._depth -= 1
        if self._depth and not quoted:
            self._put(tag)
            self._after_close = []
            return True
        if self._depth:
            return False
        self.rewound = self.rewound or self._implicit
        self._leave()
        return True

    def _enter(self, opened_by: str) -> None:
        self._depth, self._opened_by = 1, opened_by
        self._thought, self._after_close = [], None
        self._code = CodeTracker()

    def _leave(self) -> None:
        self._depth, self._opened_by, self._implicit = 0, "", False
        self._thought, self._after_close = [], None
        self._has_block = self._is_after_thought = True
        self._code = self._answer_code
        self._last = ""

    def _rewind(self) -> None:
        """Turn the answer so far into reasoning."""
        self._blank = []
        if self._has_answer:
            self.rewound = True
            later = [StreamPiece("reasoning", piece.text) for piece in self._pieces if piece.text]
            self._pieces = [StreamPiece("rewind"), *later]
        self._has_answer, self._is_after_thought, self._last = False, True, ""
        self._code = self._answer_code = CodeTracker()

    def _put(self, text: str) -> None:
        self._last = text[-1]
        if self._in_thought:
            self._thought.append(text)
            if self._after_close is not None:
                self._after_close.append(text)
            self._pieces.append(StreamPiece("reasoning", text))
            return
        if not self._has_answer:
            self._blank.append(text)
            if text.isspace():
                return
            # Between a thought and the answer there are always blank lines.
            begun, self._blank = "".join(self._blank), []
            text = begun.lstrip() if self._is_after_thought else begun
            self._has_answer = True
        self._pieces.append(StreamPiece("text", text))


def compacted(pieces: list[StreamPiece]) -> list[StreamPiece]:
    """Return the same stream with at most one rewind, at its beginning, and without neighbours of one kind."""
    last = next((place for place in reversed(range(len(pieces))) if pieces[place].kind == "rewind"), -1)
    before = [StreamPiece("reasoning", piece.text) for piece in pieces[: max(last, 0)] if piece.text]
    ordered = [*pieces[last : last + 1], *before, *pieces[last + 1 :]] if last >= 0 else pieces
    return [
        StreamPiece(kind, "".join(piece.text for piece in same))
        for kind, same in groupby(ordered, key=attrgetter("kind"))
    ]


def folded(tag: str) -> str:
    return tag.lower() if tag[:1] == "<" else tag


def may_become_tag(text: str) -> bool:
    """Return whether a text is the beginning of a tag."""
    return any(tag.startswith(folded(text)) for tag in TAGS)


def split_thoughts(text: str) -> tuple[str, str]:
    """Return the answer and the reasoning of a whole text; of a very long one, those of its end."""
    splitter = ThoughtSplitter()
    return joined([*splitter.feed(text[-SPLIT_CHARS:]), *splitter.finish()])


def joined(pieces: list[StreamPiece]) -> tuple[str, str]:
    """Return the answer and the reasoning that pieces add up to."""
    answer, reasoning = "", ""
    for piece in pieces:
        if piece.kind == "rewind":
            answer, reasoning = "", reasoning + answer
        elif piece.kind == "text":
            answer += piece.text
        else:
            reasoning += piece.text
    return answer, reasoning


def with_thoughts(text: str, reasoning: str) -> str:
    """Return one text of an answer and the reasoning that the server separated from it."""
    return f"<think>{reasoning}</think>\n{text}" if reasoning else text
