"""A server that reads less than it is sent, without an error: what people see of it."""

from __future__ import annotations

import html
from typing import Any

import pytest
from django.urls import reverse

from accounts.tests.support.admin_site import static_files_as_they_are
from billing.models import UsageEvent
from sessions.tests.factories import make_agent, make_room, make_session
from sessions.tests.support.pages import browser, text_of

__all__ = ["static_files_as_they_are"]

pytestmark = pytest.mark.django_db(transaction=True)

NOTE = "The server read only 4,000 of about "
SETTING = "OLLAMA_CONTEXT_LENGTH"


@pytest.fixture
def session(alice, openai_model, openai_server) -> Any:
    openai_server.cuts_input_at = 4_000
    return make_session(alice, make_room(alice, make_agent(alice, "ana", openai_model)))


def ask(api, session, message: str) -> dict[str, Any]:
    turn: dict[str, Any] = api.post(f"sessions/{session.pk}/turns", {"message": message}).json()
    assert turn["status"] == "completed"
    return turn


def shown(alice, session) -> str:
    response = browser(alice).get(reverse("session", args=[session.pk]))
    assert response.status_code == 200
    return html.unescape(text_of(response))


@pytest.mark.parametrize("text", ["word " * 8_000, "会议讨论预算" * 6_000], ids=["english", "chinese"])
def test_a_cut_input_is_flagged_and_shown(api, alice, session, text) -> None:
    turn = ask(api, session, f"@ana {text}")

    assert [step["input_cut"] for step in turn["steps"]] == [True]
    assert UsageEvent.objects.get().flags == ["input_cut"]
    page = shown(alice, session)
    assert f"gpt-test: {NOTE}" in page
    assert SETTING in page
    assert page.count(NOTE) == 3  # the notice, the lane, the receipt


def test_the_notice_ends_when_the_server_reads_all(api, alice, session, openai_server) -> None:
    ask(api, session, "@ana " + "word " * 8_000)
    openai_server.cuts_input_at = None
    ask(api, session, "@ana And now?")
    assert SETTING not in shown(alice, session)


def test_an_honest_server_is_not_suspected(api, alice, session, openai_server) -> None:
    openai_server.cuts_input_at = None
    turn = ask(api, session, "@ana " + "word " * 8_000)
    assert not turn["steps"][0]["input_cut"]
    assert SETTING not in shown(alice, session)
