"""Streams of one browser: hidden tabs hold none, windows share three, and no text is lost or shown twice."""

from __future__ import annotations

import contextlib
import re
from dataclasses import dataclass

import pytest
from playwright.sync_api import BrowserContext, Error, Page, expect

from accounts.models import User
from orchestration.models import LlmModel
from orchestration.tests.providers import Answer, Gate, Hold, OpenAIServer
from sessions.models import ChatSession
from sessions.tests.browser.network import Network
from sessions.tests.browser.steps import Opened, ended, open_session, send, sign_in, text_of_lane
from sessions.tests.browser.tabs import HOST, freeze
from sessions.tests.factories import make_agent, make_session
from sessions.tests.support.server_process import until

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("nobody_runs")]

PLACES = 3
"""How many streams the pages of a browser hold at most."""
KEYS = [f"agent{number}" for number in range(7)]
PIECES = ("Alpha ", "beta ", "gamma.")
WHOLE = "Alpha beta gamma."


@dataclass(frozen=True)
class Talk:
    """A session with an agent, whose answer stops at two gates."""

    key: str
    session: ChatSession
    gates: tuple[Gate, Gate]

    def begin(self, page: Page, address: str) -> None:
        page.goto(f"{address}/sessions/{self.session.pk}")
        send(page, f"Speak, {self.key}.")
        self.shows(page, "Alpha")

    def shows(self, page: Page, text: str) -> None:
        expect(text_of_lane(page, self.key)).to_have_text(text)

    def finish(self) -> None:
        for gate in self.gates:
            gate.open()


@pytest.fixture
def talks(alice: User, openai_model: LlmModel, openai_server: OpenAIServer) -> list[Talk]:
    talks = []
    for key in KEYS:
        talk = Talk(key, make_session(alice, make_agent(alice, key, openai_model)), (Gate(), Gate()))
        first, second = talk.gates
        openai_server.when(f"Speak, {key}.", Answer(PIECES, at={1: Hold(first), 2: Hold(second)}))
        talks.append(talk)
    return talks


@pytest.fixture
def windows(between: Network, open_context: Opened, alice: User) -> BrowserContext:
    """Alice's browser, every page of which is visible, as in a window of its own."""
    context = open_context(base_url=between.address)
    sign_in(context, between.address, alice)
    return context


@pytest.fixture
def address(between: Network, tabs: BrowserContext, alice: User) -> str:
    """Where `tabs` finds the server, signed in as Alice."""
    address = f"http://{HOST}:{between.server_address[1]}"
    sign_in(tabs, address, alice)
    return address


def stop(page: Page) -> None:
    page.get_by_role("button", name="Stop").click()
    ended(page)


def test_turns_in_six_windows_leave_connections_for_a_seventh(
    windows: BrowserContext, between: Network, talks: list[Talk]
) -> None:
    pages = [windows.new_page() for _ in KEYS]
    for page, talk in zip(pages[:6], talks[:6], strict=True):
        talk.begin(page, between.address)
    until(lambda: len(between.streams) == PLACES)
    talks[6].begin(pages[6], between.address)
    stop(pages[6])
    stop(pages[0])
    until(lambda: len(between.streams) == PLACES)
    for page, talk in zip(pages[1:6], talks[1:6], strict=True):
        talk.finish()
        ended(page)
        talk.shows(page, WHOLE)


def test_turns_in_six_tabs_leave_connections_for_a_seventh(
    tabs: BrowserContext, between: Network, address: str, talks: list[Talk]
) -> None:
    pages = [tabs.new_page() for _ in KEYS]
    for page, talk in zip(pages, talks, strict=True):
        page.bring_to_front()
        talk.begin(page, address)
        until(lambda: len(between.streams) == 1)
    assert pages[6].evaluate("isSecureContext") is False
    stop(pages[6])
    pages[0].bring_to_front()
    stop(pages[0])
    until(lambda: not between.streams)
    for page, talk in zip(pages[1:6], talks[1:6], strict=True):
        talk.finish()
        page.bring_to_front()
        ended(page)
        talk.shows(page, WHOLE)


@pytest.mark.parametrize("is_frozen", [False, True], ids=["hidden", "frozen"])
def test_a_hidden_tab_resumes_where_it_was(
    is_frozen: bool, tabs: BrowserContext, between: Network, address: str, talks: list[Talk]
) -> None:
    page, talk = tabs.new_page(), talks[0]
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url) if "/events" in request.url else None)
    talk.begin(page, address)
    tabs.new_page().bring_to_front()
    until(lambda: not between.streams)
    if is_frozen:
        freeze(page)
    first, second = talk.gates
    first.open()
    second.wait_until_reached()
    page.bring_to_front()
    talk.shows(page, "Alpha beta")
    second.open()
    ended(page)
    talk.shows(page, WHOLE)
    assert [bool(re.search(r"[?]after=[1-9]", url)) for url in asked] == [False, True]


def test_a_hidden_tab_says_that_its_turn_has_ended(
    tabs: BrowserContext, between: Network, address: str, talks: list[Talk]
) -> None:
    page, talk = tabs.new_page(), talks[0]
    page.clock.install()
    talk.begin(page, address)
    tabs.new_page().bring_to_front()
    until(lambda: not between.streams)
    talk.finish()
    until(lambda: talk.session.turns.get().is_final)
    page.clock.run_for(15_000)
    expect(page).to_have_title(re.compile("^● "))
    assert not between.streams
    page.bring_to_front()
    ended(page)
    talk.shows(page, WHOLE)


def test_more_windows_than_places_show_every_word_of_a_turn(
    windows: BrowserContext, between: Network, talks: list[Talk]
) -> None:
    talk = talks[0]
    asking, *others = pages = [windows.new_page() for _ in range(PLACES + 2)]
    talk.begin(asking, between.address)
    for page in others:
        open_session(page, talk.session)
        talk.shows(page, "Alpha")
    until(lambda: len(between.streams) == PLACES)
    first, second = talk.gates
    first.open()
    for page in pages:
        talk.shows(page, "Alpha beta")
    second.open()
    for page in pages:
        ended(page)
        talk.shows(page, WHOLE)


def test_windows_that_crash_leave_their_places(
    windows: BrowserContext, between: Network, talks: list[Talk]
) -> None:
    pages = [windows.new_page() for _ in range(PLACES + 1)]
    for page, talk in zip(pages, talks, strict=False):
        talk.begin(page, between.address)
    for page in pages[1:]:
        with contextlib.suppress(Error):  # the page does not live to answer
            page.goto("chrome://crash")
    first, second = talks[0].gates
    first.open()
    talks[0].shows(pages[0], "Alpha beta")
    until(lambda: len(between.streams) == 1)
    second.open()
    ended(pages[0])
    talks[0].shows(pages[0], WHOLE)
