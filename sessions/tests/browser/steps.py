"""User actions on pages, for tests."""

from __future__ import annotations

from collections.abc import Callable

from django.conf import settings
from django.test import Client
from playwright.sync_api import BrowserContext, Locator, Page, expect

from accounts.models import User
from sessions.models import ChatSession
from sessions.tests.support.server_process import ServerProcess

Opened = Callable[..., BrowserContext]
"""Opens an isolated browser; takes Playwright's context options."""


def address_of(server: ServerProcess) -> str:
    return f"http://127.0.0.1:{server.port}"


def sign_in(context: BrowserContext, address: str, user: User) -> None:
    """Sign a user in without the form, by setting the session cookie."""
    client = Client()
    client.force_login(user)
    cookie = client.cookies[settings.SESSION_COOKIE_NAME]
    context.add_cookies([{"name": cookie.key, "value": cookie.value, "url": address}])


def open_session(page: Page, session: ChatSession) -> None:
    page.goto(f"/sessions/{session.pk}")


def send(page: Page, text: str) -> None:
    """Write a message and send it with Enter."""
    page.get_by_label("Message", exact=True).fill(text)
    page.get_by_label("Message", exact=True).press("Enter")


def turn(page: Page, number: int = -1) -> Locator:
    """Return a turn on the page, the newest by default."""
    return page.locator("[data-turn]").nth(number)


def lane(page: Page, key: str) -> Locator:
    """Return the newest turn's lane of an agent; an empty key is the synthesis."""
    return turn(page).locator(f'[data-step][data-agent-key="{key}"]')


def ended(page: Page) -> None:
    """Wait until no turn runs, nothing is being sent, and the page shows the stored turn with its receipt."""
    expect(page.locator("[data-send]:visible")).to_be_enabled()  # it is visible while a message is sent
    expect(turn(page).locator(".receipt")).to_be_attached()


def text_of_lane(page: Page, key: str) -> Locator:
    return lane(page, key).locator("[data-text]")


def retry(page: Page, key: str, what: str = "Same model") -> None:
    """Choose what to ask again in the menu of an agent's answer."""
    lane(page, key).get_by_role("button", name="Retry options").click()
    page.get_by_role("menuitem", name=what).click()


def open_summary(page: Page) -> Locator:
    """Show the summary in the panel beside the conversation."""
    page.get_by_role("tab", name="Summary").click()
    return page.locator("[data-summary-panel]")


def question(page: Page) -> Locator:
    return turn(page).locator("[data-question]")


def editor(page: Page) -> Locator:
    return turn(page).get_by_label("Your message")


def ask(page: Page, text: str) -> None:
    """Have a message answered, which is not the first."""
    count = page.locator("[data-turn]").count()
    send(page, text)
    expect(page.locator("[data-turn]")).to_have_count(count + 1)
    ended(page)
