"""The lane of a stopped answer: what is kept, and what is billed."""

from __future__ import annotations

import html

import pytest
from django.urls import reverse

from accounts.tests.support.admin_site import static_files_as_they_are
from orchestration.tests.providers import Answer, Gate, Hold
from sessions.models import Call
from sessions.pages.answers import STOPPED_UNSENT, answer_of_failed_call
from sessions.tests.factories import make_agent, make_session
from sessions.tests.support.budgeting import ask
from sessions.tests.support.pages import browser, text_of
from sessions.tests.support.waiting import wait_for_event

__all__ = ["static_files_as_they_are"]

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.parametrize(
    ("pieces", "sentence"),
    [
        (["One two "], "Stopped. The partial answer is kept and billed."),
        ([], "Stopped before any text arrived. Estimated usage is billed."),
    ],
    ids=["with text", "without text"],
)
def test_the_lane_of_a_stopped_answer(api, alice, openai_model, openai_server, pieces, sentence) -> None:
    session = make_session(alice, make_agent(alice, "ana", openai_model))
    gate = Gate()
    openai_server.queue(Answer([*pieces, "three"], at={len(pieces): Hold(gate)}))
    turn_id = ask(api, session, background=True).json()["id"]
    if pieces:
        wait_for_event(turn_id, '"text":"One two "')
    gate.wait_until_reached()
    api.post(f"turns/{turn_id}/cancel")
    wait_for_event(turn_id, '"type":"turn.cancelled"')
    gate.open()

    page = html.unescape(text_of(browser(alice).get(reverse("session", args=[session.pk]))))
    assert sentence in page


def test_a_call_that_was_never_sent_is_not_billed(openai_model) -> None:
    call = Call(purpose="reply", model=openai_model, status=Call.Status.CANCELLED)
    assert answer_of_failed_call(call, None, has_worked=False).error == STOPPED_UNSENT
