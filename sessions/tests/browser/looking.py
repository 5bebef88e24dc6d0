"""Checks of pages: axe finds nothing serious, nothing overflows at 360 px, colours are readable in dark too.

`TEST_SCREENSHOTS=directory` saves a picture of each.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Literal

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

DESK, PHONE = {"width": 1280, "height": 860}, {"width": 360, "height": 740}
LONG_NAME = "Augusta Ada King-Noel, Countess of Lovelace"
"""Name of the signed-in user: it is in the bar of every page."""
AXE_SCRIPT = Axe()
AXE: dict[str, Any] = {"resultTypes": ["violations"], "preload": False}
"""Without the rule that would copy style sheets into the page, which the Content-Security-Policy blocks."""
Scheme = Literal["light", "dark"]
SCHEMES: list[Scheme] = ["light", "dark"]
OF_COLOURS = {**AXE, "runOnly": {"type": "rule", "values": ["color-contrast", "link-in-text-block"]}}
"""The rules that can differ between the schemes: both have the same elements, texts and sizes."""


class Look:
    """Checks pages in one colour scheme, and collects the errors."""

    def __init__(self, page: Page, scheme: Scheme) -> None:
        self.page = page
        self.scheme = scheme
        self.wrong: list[str] = []

    def at(self, path: str) -> None:
        self.page.goto(path)
        self.here(path.split("?")[0])

    def here(self, name: str) -> None:
        """Check the current page: in light at both widths, in dark its colours."""
        if self.scheme == "dark":
            self._axe(f"{name} {DESK['width']}", OF_COLOURS)
            self._picture(f"{name} {DESK['width']}")
            return
        for viewport in (DESK, PHONE):
            self.page.set_viewport_size(viewport)  # type: ignore[arg-type]
            self._axe(f"{name} {viewport['width']}", AXE)
            self._picture(f"{name} {viewport['width']}")
        wide = self.page.evaluate("document.documentElement.scrollWidth")
        if wide > PHONE["width"]:
            self.wrong.append(f"{name}: {wide} px wide at 360")
        self.page.set_viewport_size(DESK)  # type: ignore[arg-type]

    def _axe(self, name: str, options: dict[str, Any]) -> None:
        found = AXE_SCRIPT.run(self.page, options=options).response["violations"]
        for violation in found:
            if violation["impact"] in ("serious", "critical"):
                places = "; ".join(
                    f"{node['target']} {node['failureSummary']}" for node in violation["nodes"][:4]
                )
                self.wrong.append(f"{name}: {violation['id']}: {places}")

    def _picture(self, name: str) -> None:
        if directory := os.environ.get("TEST_SCREENSHOTS"):
            path = Path(directory) / f"{name.strip('/').replace('/', '-')} {self.scheme}.png"
            self.page.screenshot(path=path, full_page=True)
