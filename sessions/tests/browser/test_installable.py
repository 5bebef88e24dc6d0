"""The pages can be installed as an app, and colour the browser's own bars as the theme does."""

from __future__ import annotations

from urllib.parse import urljoin

import pytest
from playwright.sync_api import Page, expect

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("nobody_runs")]

LIGHT, DARK = "#ffffff", "#1a1c20"
"""`--surface` in static/css/tokens.css, the colour of the top bar."""
COLOUR_IN_USE = """() => [...document.querySelectorAll("meta[name=theme-color]")]
  .find((meta) => matchMedia(meta.media).matches).content"""


def test_the_browser_accepts_the_manifest_and_its_icons(page: Page) -> None:
    page.goto("/sign-in")
    devtools = page.context.new_cdp_session(page)
    errors = devtools.send("Page.getInstallabilityErrors")["installabilityErrors"]
    assert [error["errorId"] for error in errors] == ["in-incognito"]  # as every browser of a test
    manifest = devtools.send("Page.getAppManifest")
    assert manifest["errors"] == []
    read = page.request.get(manifest["url"])
    assert read.headers["content-type"].startswith("application/manifest+json")
    for icon in read.json()["icons"]:
        assert page.request.get(urljoin(manifest["url"], icon["src"])).headers["content-type"] == icon["type"]


def test_the_bars_have_the_colour_of_the_theme(page: Page) -> None:
    page.emulate_media(color_scheme="light")
    page.goto("/sign-in")
    assert page.evaluate(COLOUR_IN_USE) == LIGHT
    page.emulate_media(color_scheme="dark")
    assert page.evaluate(COLOUR_IN_USE) == DARK
    switch = page.locator("[data-theme-switch]")
    switch.click()
    expect(switch).to_have_attribute("title", "Theme: light")
    assert page.evaluate(COLOUR_IN_USE) == LIGHT
    page.reload()
    assert page.evaluate(COLOUR_IN_USE) == LIGHT
