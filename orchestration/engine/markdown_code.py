"""Recognition of Markdown code in a stream of text, for readers of tags and names, which mean nothing in code."""

from __future__ import annotations

import re

LINE_CHARS = 120
"""Characters at the beginning of a line that are searched for a fence."""

BEFORE_FENCE = re.compile(r"(?:[\s>]|(?:[-*+]|\d{1,9}[.)])\s)*")
"""Quotation and list marks that may precede a fence."""


class CodeTracker:
    """Tracks whether the end of a text is inside a code block or a code span. Spans end with their line."""

    def __init__(self) -> None:
        self.line = ""
        """The beginning of the current line."""
        self._fence = ""
        self._opening = ""
        """The fence that this line may open: whether it does is known at the end of the line."""
        self._span = 0
        """The length of the backtick run that opened a code span, 0 outside one."""

    @property
    def in_code(self) -> bool:
        return bool(self._fence or self._opening or self._span)

    @property
    def at_line_start(self) -> bool:
        return not self.line.strip()

    def add(self, text: str) -> None:
        """Add text without line breaks, backticks and tildes."""
        self.line += text[: LINE_CHARS - len(self.line)]

    def add_run(self, run: str) -> None:
        """Add a complete run of backticks or tildes."""
        may_open = len(run) >= 3 and BEFORE_FENCE.fullmatch(self.line) is not None
        self.add(run)
        if self._fence:
            return
        if may_open and not self._opening:
            self._opening = run
        elif run[0] == "`":
            if self._opening.startswith("`"):
                # A backtick fence has no backtick after it on its line: what looked like one opens a code span.
                self._span, self._opening = len(self._opening), ""
            if not self._span:
                self._span = len(run)
            elif self._span == len(run):
                self._span = 0

    def end_line(self) -> None:
        line = self.line.strip("> \t\r")
        if self._fence:
            if len(line) >= len(self._fence) and not line.strip(self._fence[0]):
                self._fence = ""
        elif self._opening:
            self._fence = self._opening
        self.line, self._opening, self._span = "", "", 0
