"""The identity guard: an answer ends where it begins to speak for somebody else."""

from __future__ import annotations

import re
from collections.abc import Iterable

MAX_HELD_CHARS = 240
OPENING_MARKS = " \t*_#>[("
AFTER_NAME = re.compile(r"[\s\]\)*_]*(\(\s*@?[\w-]*\s*\)?)?[\s\]\)*_]*")
"""What may stand between a speaker's name and the colon: closing marks and a key in brackets."""


class SpeakerGuard:
    """Lets a stream of text through up to a line that opens in another speaker's name.

    A line that could still become such an opening is held back, so that not one character of it is published.
    Code blocks are let through: a line of YAML may well begin with a name.
    """

    def __init__(self, others: Iterable[str]) -> None:
        """Take the names and keys of everybody but the one who speaks."""
        self.tripped = False
        self._names = sorted({name.casefold() for name in others if name.strip()}, key=len, reverse=True)
        self._line = ""
        self._passing = not self._names
        """The rest of this line is harmless."""
        self._fence = ""

    def feed(self, text: str) -> str:
        """Return what of the text so far may be published."""
        if self.tripped:
            return ""
        if not self._names:
            return text
        out: list[str] = []
        for part in re.split(r"(\n)", text):
            if self.tripped:
                break
            if part:
                out.append(self._feed_line(part))
        return "".join(out)

    def finish(self) -> str:
        """Return what was held back of the last line, at the end of the answer."""
        held, self._line = self._line, ""
        return "" if self.tripped or self._passing else held

    def _feed_line(self, part: str) -> str:
        if part == "\n":
            held = "" if self._passing else self._line
            self._note_fence()
            self._line, self._passing = "", False
            return held + part
        self._line += part
        if self._passing:
            return part
        verdict = "safe" if self._fence or len(self._line) > MAX_HELD_CHARS else self._judge(self._line)
        if verdict == "speaks":
            self.tripped = True
            return ""
        if verdict == "unclear":
            return ""
        self._passing = True
        return self._line

    def _judge(self, line: str) -> str:
        """Tell whether a line `speaks` for another, is `safe`, or is `unclear` so far."""
        opening = line.lstrip(OPENING_MARKS).casefold()
        if re.match(r"\s*[*_]\s", line):
            return "safe"  # a bullet point about somebody is no line of theirs
        opening = opening.removeprefix("@")
        if not opening:
            return "unclear"
        unclear = "`~".find(opening[0]) >= 0 and len(opening) < 3
        for name in self._names:
            if name.startswith(opening):
                unclear = True
            elif opening.startswith(name):
                rest = opening[len(name) :]
                between = AFTER_NAME.match(rest)
                end = between.end() if between else 0
                if end == len(rest):
                    unclear = True
                elif rest[end] in ":\uff1a" or (rest[end - 1 : end] == "]" and line.lstrip()[:1] == "["):
                    return "speaks"
        return "unclear" if unclear else "safe"

    def _note_fence(self) -> None:
        """Keep track of code blocks, line by line."""
        marker = re.match(r"\s*(`{3,}|~{3,})", self._line)
        if marker is None:
            return
        if not self._fence:
            self._fence = marker[1]
        elif marker[1].startswith(self._fence):
            self._fence = ""
