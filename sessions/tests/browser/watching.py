"""Complaints of pages, so that no test overlooks them."""

from __future__ import annotations

import re
from typing import Any

from playwright.sync_api import BrowserContext, ConsoleMessage, Page

REPORT_VIOLATIONS = """
addEventListener("securitypolicyviolation", (event) => {
  console.error(`CSP violation: ${event.effectiveDirective} ${event.blockedURI} at ${event.sourceFile}`);
});
"""


class Watch:
    """Collects errors of all pages of some contexts; `expect` removes those that a test causes on purpose."""

    def __init__(self) -> None:
        self.errors: list[str] = []
        self._expected: list[re.Pattern[str]] = []
        self._allowed: list[re.Pattern[str]] = []

    def over(self, context: BrowserContext) -> None:
        """Listen to every page of a context, including later ones."""
        context.add_init_script(REPORT_VIOLATIONS)
        context.on("page", self._attend)

    def expect(self, *what: int | str) -> None:
        """Expect these, and fail if one is missing: a response status, or a pattern of a console message."""
        for each in what:
            pattern = rf"status of {each}\b" if isinstance(each, int) else each
            self._expected.append(re.compile(pattern))

    def allow(self, *patterns: str) -> None:
        """Allow these without requiring them: the browser's messages about a network that the test cuts."""
        self._allowed += map(re.compile, patterns)

    def check(self) -> None:
        """Fail if there are unexpected complaints, or if an expected one is missing."""
        known = [*self._expected, *self._allowed]
        unexpected = [error for error in self.errors if not any(pattern.search(error) for pattern in known)]
        missing = [
            pattern.pattern
            for pattern in self._expected
            if not any(pattern.search(error) for error in self.errors)
        ]
        assert not unexpected, "\n".join(unexpected)
        assert not missing, f"expected and did not happen: {missing}"

    def _attend(self, page: Page) -> None:
        page.on("console", self._said)
        page.on("pageerror", lambda error: self.errors.append(f"uncaught on {page.url}: {error}"))

    def _said(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            place: Any = message.location
            self.errors.append(f"{message.text} ({place.get('url', '')})")
