"""Inputs that are too long for a server, as people see them: refused, and cut without an error."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import expect

from accounts.models import User
from orchestration.models import LlmModel
from orchestration.tests.providers import OpenAIServer
from sessions.models import ChatSession
from sessions.tests.browser.steps import ended, lane, open_session, send, turn
from sessions.tests.factories import make_agent, make_room, make_session

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("nobody_runs")]


@pytest.fixture
def session(alice: User, openai_model: LlmModel) -> ChatSession:
    return make_session(alice, make_room(alice, make_agent(alice, "ana", openai_model)))


def test_a_lane_says_what_is_too_long_and_the_session_goes_on(
    look_as: Any, alice: User, session: ChatSession, openai_server: OpenAIServer
) -> None:
    openai_server.window = 8_192
    look = look_as(alice)
    open_session(look.page, session)
    send(look.page, "@ana " + "word " * 8_000)
    ended(look.page)
    fault = lane(look.page, "ana").locator("[data-fault]")
    expect(fault).to_contain_text("takes 8,192. Shorten the message, or choose a model")
    look.here("session too long")
    send(look.page, "@ana In short?")
    ended(look.page)
    expect(lane(look.page, "ana")).to_have_attribute("data-state", "complete")
    assert not look.wrong, "\n".join(look.wrong)


def test_a_server_that_cuts_is_named_at_the_answer_and_above_the_session(
    look_as: Any, alice: User, session: ChatSession, openai_server: OpenAIServer
) -> None:
    openai_server.cuts_input_at = 4_000
    look = look_as(alice)
    open_session(look.page, session)
    send(look.page, "@ana " + "word " * 8_000)
    ended(look.page)
    expect(lane(look.page, "ana")).to_contain_text("The server read only 4,000 of about")
    look.page.reload()
    expect(look.page.locator(".input-notice")).to_contain_text("OLLAMA_CONTEXT_LENGTH")
    turn(look.page).get_by_text("Receipt").click()
    look.here("session cut")
    assert not look.wrong, "\n".join(look.wrong)
