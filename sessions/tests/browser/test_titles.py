"""A new session's title: from its message at once, then from a model, in every tab of the browser."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import settings
from playwright.sync_api import BrowserContext, expect

from accounts.models import User
from orchestration.models import LlmModel
from orchestration.tests.providers import Answer, Gate, OpenAIServer
from sessions.models import Call, ChatSession
from sessions.services.chats import session_rename
from sessions.tests.browser.steps import Opened, address_of, ended, open_session, send, sign_in
from sessions.tests.factories import make_agent, make_room, make_session
from sessions.tests.support.server_process import ServerProcess, until

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("nobody_runs")]

TITLES = "You write titles"
TITLE_CALL = Call.objects.filter(purpose="title", status="ok")
"""Answers wait for it: a title that is late is given up."""


@pytest.fixture
def titling(data_dir: Path, tmp_path: Path) -> Iterator[ServerProcess]:
    """A server that writes titles, as servers do unless they are told otherwise."""
    environment = {"PANTHEON_DATA_DIR": str(data_dir), "PANTHEON_SECRET_KEY": settings.SECRET_KEY}
    with ServerProcess(tmp_path, "", PANTHEON_TITLES="1", **environment) as server:
        yield server
        print(server.log())  # noqa: T201  (shown where the test failed)


@pytest.fixture
def windows(titling: ServerProcess, open_context: Opened, alice: User) -> BrowserContext:
    context = open_context(base_url=address_of(titling))
    sign_in(context, address_of(titling), alice)
    return context


@pytest.fixture
def session(alice: User, openai_model: LlmModel) -> ChatSession:
    return make_session(alice, make_room(alice, make_agent(alice, "ana", openai_model), name="Board"))


def test_a_title_arrives_in_every_tab_without_a_reload(
    windows: BrowserContext, session: ChatSession, openai_server: OpenAIServer
) -> None:
    gate, answers = Gate(), Gate()
    openai_server.when(TITLES, Answer("**Renting** a shop", head_gate=gate))
    openai_server.default = Answer("Yes.", head_gate=answers)
    page, home = windows.new_page(), windows.new_page()
    open_session(page, session)
    send(page, "@all Should we rent the corner shop?")
    heading = page.get_by_role("heading", level=1)
    expect(heading).to_have_text("Should we rent the corner shop?")
    home.goto("/")
    listed = home.locator(f'main [data-title-of="{session.pk}"]')
    expect(listed).to_have_text("Should we rent the corner shop?")
    gate.open()
    until(TITLE_CALL.exists)
    answers.open()
    ended(page)
    expect(heading).to_have_text("Renting a shop")
    expect(page).to_have_title("Renting a shop · Pantheon")
    expect(page.locator("#session-title")).to_have_value("Renting a shop")
    expect(listed).to_have_text("Renting a shop")
    sidebar = home.get_by_role("navigation", name="Rooms and sessions")
    expect(sidebar.get_by_role("link", name="Renting a shop")).to_have_attribute("title", "Renting a shop")


def test_a_name_given_meanwhile_stays(
    windows: BrowserContext, session: ChatSession, openai_server: OpenAIServer
) -> None:
    gate, answers = Gate(), Gate()
    openai_server.when(TITLES, Answer("Renting a shop", head_gate=gate))
    openai_server.default = Answer("Yes.", head_gate=answers)
    page = windows.new_page()
    open_session(page, session)
    send(page, "@all Should we rent the corner shop?")
    gate.wait_until_reached()
    session_rename(session=session, title="The shop")
    gate.open()
    until(TITLE_CALL.exists)
    answers.open()
    ended(page)
    expect(page.get_by_role("heading", level=1)).to_have_text("The shop")
