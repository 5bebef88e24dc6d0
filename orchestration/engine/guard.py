"""The identity guard: it ends an answer that continues the conversation as another speaker."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

from orchestration.engine.markdown_code import CodeTracker

HELD_CHARS = 400
"""Maximum characters of a line that is held back: a longer quotation is passed through."""

LINE = re.compile(r"(\n)")
RUN = re.compile(r"(`+|~+)")
QUOTES = "\"'“”„«»‘’‹›「『"
QUOTATION = re.compile(rf"[{QUOTES}].*[{QUOTES}」』][.,;:!?…]*", re.DOTALL)
"""A whole quotation."""


class SpeakerGuard:
    """Passes a stream of text through up to a line on which the answer goes on as another speaker.

    Such a line begins with exactly `Name:` or `[Name (@key)]:`, after a paragraph of the agent's own that does not
    announce it with a colon, and says more than a quotation. A first line, and names in lists, quotations, headings,
    emphasis or code, are about others. The output does not depend on how the stream is split into pieces.
    """

    def __init__(self, openings: Iterable[tuple[str, str]]) -> None:
        """`openings`: the beginning of a line -> the speaker's name."""
        self.cut_for = ""
        """The name of the other speaker as whom the answer went on; empty: it did not."""
        self._openings = [(opening, name) for opening, name in openings if opening]
        self._held: list[str] = []
        self._line = ""
        """The beginning of the current line."""
        self._passing = False
        """The rest of this line is harmless."""
        self._tail = ""
        """The last characters of the current line."""
        self._last_line = ""
        """The last line that is not blank."""
        self._is_after_blank = False
        self._called = ""
        """A name alone on the last line: the next line decides whether it is another speaker's."""
        self._code = CodeTracker()

    @property
    def tripped(self) -> bool:
        return bool(self.cut_for)

    @property
    def withheld(self) -> str:
        """The text that has arrived and was not passed through."""
        return "".join(self._held)

    def feed(self, text: str) -> str:
        """Add text and return what can be published now."""
        if not self._openings:
            return text
        return "".join(self._read(part) for part in LINE.split(text) if part)

    def finish(self) -> str:
        """Return the held part, at the end of a complete answer: a name with nothing after it is no answer."""
        if not self.tripped:
            self._judge_whole_line()
        return "" if self.tripped else self._release()

    def _read(self, part: str) -> str:
        if self.tripped:
            self._held.append(part)
            return ""
        if part == "\n":
            return self._end_line()
        # Letter by letter to the decision, so that it does not depend on the pieces.
        for at, letter in enumerate(part):
            if self._passing:
                self._line += (
                    part[at : at + HELD_CHARS - len(self._line)] if len(self._line) < HELD_CHARS else ""
                )
                self._note_end(part)
                return self._release() + part[at:]
            self._line += letter
            self._held.append(letter)
            self._judge(letter)
            if self.tripped:
                self._held.append(part[at + 1 :])
                return ""
        self._note_end(part)
        return self._release() if self._passing else ""

    def _judge(self, letter: str) -> None:
        """Decide about the line so far, which ends with `letter`: it passes, it is cut, or more is needed."""
        if self._called:
            # `_line` is blank up to here; a search of all of it at each letter would take quadratic time.
            if not letter.isspace():
                self._decide(self._called, is_quotation=letter in QUOTES + ">")
            elif len(self._line) >= HELD_CHARS:
                self._decide(self._called, is_quotation=True)
            return
        if not self._may_open:
            self._passing = True
            return
        # Chinese and Japanese texts use the full-width colon.
        line = self._line.replace("：", ":")
        name = next((name for opening, name in self._openings if line.startswith(opening)), "")
        if not name:
            self._passing = not any(opening.startswith(line) for opening, _ in self._openings)
            return
        opening = next(opening for opening, _ in self._openings if line.startswith(opening))
        text = line[len(opening) :].strip()
        if text and text[0] not in QUOTES:
            self._decide(name, is_quotation=False)
        elif len(line) >= HELD_CHARS:
            self._passing = True

    @property
    def _may_open(self) -> bool:
        # Models that continue the conversation do so in a new paragraph. Without the other conditions, answers that
        # quote or list what members think would be cut.
        return (
            bool(self._last_line)
            and self._is_after_blank
            and not self._last_line.endswith((":", "："))
            and not self._code.in_code
        )

    def _decide(self, name: str, *, is_quotation: bool) -> None:
        self._called = ""
        if is_quotation:
            self._passing = True
        else:
            self.cut_for = name

    def _judge_whole_line(self) -> None:
        """Decide about a line that ends here: a name alone leaves it to the next line."""
        if self._passing or self._called or not self._may_open:
            return
        line = self._line.replace("：", ":").rstrip()
        opened = next((pair for pair in self._openings if line.startswith(pair[0])), None)
        if opened is None:
            return
        text = line[len(opened[0]) :].strip()
        if not text:
            self._called = opened[1]
        elif not QUOTATION.fullmatch(text):
            self.cut_for = opened[1]

    def _end_line(self) -> str:
        self._judge_whole_line()
        if not self.tripped:
            self._next_line()
        if self.tripped or self._called:
            self._held.append("\n")
            return ""
        return self._release() + "\n"

    def _next_line(self) -> None:
        for number, part in enumerate(RUN.split(self._line)):
            if number % 2:
                self._code.add_run(part)
            else:
                self._code.add(part)
        self._code.end_line()
        self._is_after_blank = not self._line.strip()
        if not self._is_after_blank:
            self._last_line = self._tail.rstrip()
        self._line, self._tail, self._passing = "", "", False

    def _note_end(self, part: str) -> None:
        self._tail = (self._tail + part)[-HELD_CHARS:]

    def _release(self) -> str:
        held, self._held = "".join(self._held), []
        return held


def openings_of(name: str, key: str = "") -> list[tuple[str, str]]:
    """Return the beginnings of lines in a speaker's name: as people write it, and as prompts do."""
    label = f"{name} (@{key})" if key else name
    return [(f"{name}:", name), (f"[{label}]:", name), (f"[{name}]:", name)]


def fold(text: str) -> str:
    """Return a name folded for comparison with names."""
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())
