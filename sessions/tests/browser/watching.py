"""What a page complains of, so that no test passes over it."""

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
    """Collects errors of all pages of some contexts; `expect` takes those out that a test means to happen."""

    def __init__(self) -> None:
        self.errors: list[str] = []
        self._expected: list[re.Pattern[str]] = []
        self._allowed: list[re.Pattern[str]] = []

    def over(self, context: BrowserContext) -> None:
        """Listen to every page of a context, those to come among them."""
        context.add_init_script(REPORT_VIOLATIONS)
        context.on("page", self._attend)

    def expect(self, *what: int | str) -> None:
        """Let these happen, and fail where one does not: an answer's status, or a pattern of what the console says."""
        for each in what:
            pattern = rf"status of {each}\b" if isinstance(each, int) else each
            self._expected.append(re.compile(pattern))

    def allow(self, *patterns: str) -> None:
        """Let these happen, or not: what the browser says of a network that the test takes away."""
        self._allowed += map(re.compile, patterns)

    def check(self) -> None:
        """Fail where something was complained of that nobody expects, or was expected and did not come."""
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
