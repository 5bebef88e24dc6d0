"""The identity guard: an answer ends where it begins to speak for somebody else."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from typing import Literal

LINE_END = re.compile(r"([\r\n])")
STRIDE = 256
"""A line is judged piece by piece, so that a long one costs no more than its beginning."""
MARKS_LIMIT = 240
"""Characters of marks and remarks, beside the name, for which an opening is held back."""
FENCE_CHARS = 120
"""How much of a line is looked at for the marks of a code block."""

OPENING = " *_#>[@【「"
"""Marks that may stand before a name: Markdown's, those of an attribution, and of a tag."""
CLOSING = " *_]】」"
BULLET = re.compile(r"[ >]*\* ")

_GAP = rf"[{re.escape(CLOSING)}]*"
_REMARK = r"\([^():\n]{0,80}"
"""What an attribution may say in brackets: a key, a role."""
SPOKEN = re.compile(rf"{_GAP}(?:{_REMARK}\){_GAP})?:")
SPOKEN_IN_BRACKETS = re.compile(rf"[ *_]*(?:{_REMARK}\)[ *_]*)?\]{_GAP}[^ *_\]【】「」(\[:]")
"""`[Name] text` is an attribution too; `[Name](address)` and `[Name][1]` are links."""
PENDING = re.compile(rf"{_GAP}(?:{_REMARK}(?:\){_GAP})?)?")
"""Every beginning of the two above."""

FENCE = re.compile(r"\s*(?:(?:[-*+]|\d{1,9}[.)])\s+)*(?P<mark>`{3,}(?=[^`]*$)|~{3,})")
INVISIBLE = re.compile("[\u200b-\u200f\u2060\ufe0e\ufe0f\ufeff]")
SPACES = re.compile(r"\s+")

Verdict = Literal["speaks", "safe", "unclear"]


class SpeakerGuard:
    """Lets a stream of text through up to a line that opens in another speaker's name.

    A line that could still become such an opening is held back, so that not one character of it is published; what
    is published does not depend on how the stream is cut into pieces. Bullet points about somebody are no lines of
    theirs, and code blocks are let through: a line of YAML may well begin with a name.
    """

    def __init__(self, others: Iterable[str]) -> None:
        """Take what everybody else is called. A name that begins with @ counts only where it is tagged."""
        self.tripped = False
        names = {name: folded(name).lstrip(OPENING).rstrip(CLOSING) for name in others}
        self._names = sorted({folded for name, folded in names.items() if folded and name[0] != "@"})
        self._handles = sorted({folded for name, folded in names.items() if folded and name[0] == "@"})
        self._limit = MARKS_LIMIT + max(map(len, names.values()), default=0)
        self._held: list[str] = []
        self._opening = ""
        """What is held of this line, folded."""
        self._passing = False
        """The rest of this line is harmless."""
        self._start = ""
        self._fence = ""
        """What opened the code block that the stream is in."""

    @property
    def withheld(self) -> str:
        """What has come and was not let through."""
        return "".join(self._held)

    def feed(self, text: str) -> str:
        """Return what of the text so far may be published."""
        if not self._names and not self._handles:
            return text
        out = []
        for part in LINE_END.split(text):
            if self.tripped:
                self._held.append(part)
            elif part in ("\n", "\r"):
                out.append(self._end_line(part))
            elif part:
                out.append(self._go_on(part))
        return "".join(out)

    def finish(self) -> str:
        """Return what was held back of the last line, at the end of a whole answer."""
        return "" if self.tripped else self._end_line("")

    def _go_on(self, part: str) -> str:
        self._start += part[: FENCE_CHARS - len(self._start)]
        if self._passing or self._fence:
            return part
        for at in range(0, len(part), STRIDE):
            piece, rest = part[at : at + STRIDE], part[at + STRIDE :]
            self._held.append(piece)
            self._opening = SPACES.sub(" ", self._opening + folded(piece))
            verdict = self._judge(self._opening[: self._limit])
            if verdict == "speaks":
                self.tripped = True
                self._held.append(rest)
                return ""
            if verdict == "safe" or len(self._opening) >= self._limit:
                self._passing = True
                return self._release() + rest
        return ""

    def _end_line(self, end: str) -> str:
        if self._held and self._judge(self._opening + "\n") == "speaks":
            self.tripped = True
            self._held.append(end)
            return ""
        self._note_fence()
        self._passing, self._opening, self._start = False, "", ""
        return self._release() + end

    def _release(self) -> str:
        held, self._held = "".join(self._held), []
        return held

    def _judge(self, line: str) -> Verdict:
        """Tell whether a folded line `speaks` for another, is `safe`, or is `unclear` so far.

        Where more text follows, `speaks` and `safe` stay what they are. A line break makes everything clear.
        """
        rest = line.lstrip(OPENING)
        if BULLET.match(line):
            return "safe"
        marks = line[: len(line) - len(rest)]
        names = self._names + self._handles if "@" in marks else self._names
        verdict: Verdict = "unclear" if not rest else "safe"
        for name in names:
            if name.startswith(rest):
                verdict = "unclear"
            elif rest.startswith(name):
                tail = rest[len(name) :]
                if SPOKEN.match(tail) or ("[" in marks and SPOKEN_IN_BRACKETS.match(tail)):
                    return "speaks"
                if PENDING.fullmatch(tail):
                    verdict = "unclear"
        return verdict

    def _note_fence(self) -> None:
        """Keep track of code blocks, line by line."""
        if self._fence:
            line = self._start.strip()
            if len(line) >= len(self._fence) and not line.strip(self._fence[0]):
                self._fence = ""
        elif opens := FENCE.match(self._start):
            self._fence = opens["mark"]


def folded(text: str) -> str:
    """Return a text in the form in which names are compared: letter by letter, so pieces fold as the whole does."""
    if not text.isascii():
        text = "".join(unicodedata.normalize("NFKD", letter) for letter in INVISIBLE.sub("", text))
    return SPACES.sub(" ", text.casefold())
