"""The identity guard: it ends an answer that begins to speak for another speaker."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from typing import Literal

LINE_END = re.compile(r"([\r\n])")
STRIDE = 256
"""Characters judged at a time, so that a long line costs no more than its beginning."""
MARKS_LIMIT = 240
"""Maximum characters of markup and remark, in addition to the name, for which a possible opening is held back."""
FENCE_CHARS = 120
"""Characters at the beginning of a line that are searched for a code fence."""

OPENING = " *_#>[@【「"
"""Markup that may precede a name: Markdown's, an attribution's and a tag's."""
CLOSING = " *_]】」"
BULLET = re.compile(r"[ >]*\* ")

_GAP = rf"[{re.escape(CLOSING)}]*"
_REMARK = r"\([^():\n]{0,80}"
"""The remark in brackets of an attribution: a key or a role."""
SPOKEN = re.compile(rf"{_GAP}(?:{_REMARK}\){_GAP})?:")
SPOKEN_IN_BRACKETS = re.compile(rf"[ *_]*(?:{_REMARK}\)[ *_]*)?\]{_GAP}[^ *_\]【】「」(\[:]")
"""`[Name] text` is an attribution too; `[Name](address)` and `[Name][1]` are links."""
PENDING = re.compile(rf"{_GAP}(?:{_REMARK}(?:\){_GAP})?)?")
"""Any prefix of the two above."""

FENCE = re.compile(r"\s*(?:(?:[-*+]|\d{1,9}[.)])\s+)*(?P<mark>`{3,}(?=[^`]*$)|~{3,})")
INVISIBLE = re.compile("[\u200b-\u200f\u2060\ufe0e\ufe0f\ufeff]")
SPACES = re.compile(r"\s+")

Verdict = Literal["speaks", "safe", "unclear"]


class SpeakerGuard:
    """Passes a stream of text through up to a line that opens in another speaker's name.

    A line that could still become such an opening is held back, so that none of it is published. The output does not
    depend on how the stream is split into pieces. Bullet points about another speaker do not count as openings, and
    code blocks pass through: a line of YAML may begin with a name.
    """

    def __init__(self, others: Iterable[str]) -> None:
        """`others`: the names of all other speakers. A name that begins with @ counts only if it is tagged."""
        self.tripped = False
        names = {name: fold(name).lstrip(OPENING).rstrip(CLOSING) for name in others}
        self._names = sorted({folded for name, folded in names.items() if folded and name[0] != "@"})
        self._handles = sorted({folded for name, folded in names.items() if folded and name[0] == "@"})
        self._limit = MARKS_LIMIT + max(map(len, names.values()), default=0)
        self._held: list[str] = []
        self._opening = ""
        """The held part of this line, folded."""
        self._passing = False
        """The rest of this line is harmless."""
        self._start = ""
        self._fence = ""
        """The fence of the code block that the stream is in, empty outside one."""

    @property
    def withheld(self) -> str:
        """The text that has arrived and was not passed through."""
        return "".join(self._held)

    def feed(self, text: str) -> str:
        """Add text and return what can be published now."""
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
        """Return the held part of the last line, at the end of a complete answer."""
        return "" if self.tripped else self._end_line("")

    def _go_on(self, part: str) -> str:
        self._start += part[: FENCE_CHARS - len(self._start)]
        if self._passing or self._fence:
            return part
        for at in range(0, len(part), STRIDE):
            piece, rest = part[at : at + STRIDE], part[at + STRIDE :]
            self._held.append(piece)
            self._opening = SPACES.sub(" ", self._opening + fold(piece))
            verdict = self._judge(self._opening[: self._limit])
            if verdict == "speaks":
                self.tripped = True
                self._held.append(rest)
                return ""
            # An opening longer than every name with its marks is ordinary text: holding it would stall the stream.
            if verdict == "safe" or len(self._opening) >= self._limit:
                self._passing = True
                return self._release() + rest
        return ""

    def _end_line(self, end: str) -> str:
        # The line break decides: `[Name]` alone on a line is an attribution too.
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
        """Return whether a folded line `speaks` for another speaker, is `safe`, or is `unclear` so far.

        More text never changes `speaks` or `safe`. After a line break nothing is unclear.
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
        """Update the code block state at the end of a line."""
        if self._fence:
            line = self._start.strip()
            if len(line) >= len(self._fence) and not line.strip(self._fence[0]):
                self._fence = ""
        elif opens := FENCE.match(self._start):
            self._fence = opens["mark"]


def fold(text: str) -> str:
    """Return a text folded for comparison with names, letter by letter, so that pieces fold like the whole."""
    if not text.isascii():
        text = "".join(unicodedata.normalize("NFKD", letter) for letter in INVISIBLE.sub("", text))
    return SPACES.sub(" ", text.casefold())
