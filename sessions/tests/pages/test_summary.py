"""The summary beside a conversation."""

from __future__ import annotations

import pytest
from django.urls import reverse

from accounts.tests.support.admin_site import static_files_as_they_are
from sessions.models import ChatSession, Message, Summary
from sessions.services.summaries import summary_accept
from sessions.services.turn_request import TurnRequest
from sessions.tests.factories import make_agent, make_model, make_room, make_session
from sessions.tests.support.pages import add_turns, assert_leads_to_sign_in, browser, text_of

__all__ = ["static_files_as_they_are"]

pytestmark = pytest.mark.django_db
HOSTILE = "<script>alert(1)</script></textarea><img src=x onerror=alert(1)> \u202e{{ 7|add:7 }}"


@pytest.fixture
def session(alice) -> ChatSession:
    session = make_session(alice, make_room(alice, make_agent(alice, "ana", make_model())))
    add_turns(session, make_model(alias="other"), 3)
    return session


def add_summary(session: ChatSession, **fields: object) -> Summary:
    return Summary.objects.create(
        session=session, **{"from_seq": 1, "through_seq": 4, "text": "So far.", **fields}
    )


def item(text: str, seq: int | None = None, *, pinned: bool = False) -> dict[str, object]:
    return {"text": text, "message_seq": seq, "pinned": pinned}


def panel(client, session: ChatSession) -> str:
    return text_of(client.get(reverse("session-summary", args=[session.pk])))


def test_the_panel_is_only_for_the_owner(client, bob, session):
    add_summary(session)
    path = reverse("session-summary", args=[session.pk])
    assert_leads_to_sign_in(client.get(path))
    assert browser(bob).get(path).status_code == 404


def test_without_a_summary_one_can_be_made(alice, session):
    page = text_of(browser(alice).get(reverse("session", args=[session.pk])))
    assert "Summarize now" in page
    assert "data-summary-copy" not in page


def test_the_newest_summary_is_shown_with_its_lists_and_sources(alice, session):
    add_summary(session, through_seq=2, text="Old.")
    add_summary(
        session,
        text="New.",
        key_facts=[item("It rains.", 1), item("Nobody knows whence.", None)],
        decisions=[item("Ana decided on Lisbon.", 4, pinned=True)],
    )
    page = panel(browser(alice), session)
    assert "New." in page
    assert "Old." not in page
    for title in ("Facts", "Decisions"):
        assert f">{title}</h3>" in page
    assert "Open questions" not in page  # an empty list is not worth a title
    question, answer = Message.objects.get(seq=1), Message.objects.get(seq=4)
    assert f"?before=2#turn-{question.turn_id}" in page
    assert f"?before=3#message-{answer.pk}" in page
    assert page.count("data-jump") == 2
    assert page.count('aria-pressed="true"') == 1
    assert "# Summary\n\nNew.\n\n## Facts\n\n- It rains. (#1)\n- Nobody knows whence.\n\n## Decisions" in page


def test_it_says_how_far_it_reaches_with_what_it_continues(alice, session):
    add_summary(session, through_seq=2)
    add_summary(session, from_seq=3, through_seq=4)
    assert "Messages 1 to 4 " in panel(browser(alice), session)


def test_a_source_in_a_replaced_turn_leads_to_that_version(alice, session):
    add_summary(session, key_facts=[item("It rained.", 4)])
    first, second, _ = session.turns.order_by("index")
    third = session.turns.get(index=3)
    third.replaces = second
    third.save()
    assert first.pk != second.pk
    assert f"?version={second.pk}#message-" in panel(browser(alice), session)


def test_hostile_text_is_harmless(alice, session):
    add_summary(session, text=HOSTILE, action_items=[item(HOSTILE, 1)])
    page = panel(browser(alice), session)
    assert "<script>alert" not in page
    assert "<img" not in page
    assert "\u202e" not in page
    assert "{{ 7|add:7 }}" in page
    assert page.count("</textarea>") == 1


def test_a_fallback_says_so(alice, session):
    summary = add_summary(session, used_fallback=True)
    assert "Summary failed: The model gave no usable answer." in panel(browser(alice), session)
    Summary.objects.filter(pk=summary.pk).update(fallback_reason="not_json")
    assert "answer was not the JSON object" in panel(browser(alice), session)


@pytest.mark.usefixtures("nobody_runs")
def test_a_summary_in_the_making_is_there_to_be_taken_up(alice, session):
    turn = summary_accept(user=alice, session=session, request=TurnRequest(message=""))
    assert f'data-summarizing="{turn.pk}"' in panel(browser(alice), session)
    page = text_of(browser(alice).get(reverse("session", args=[session.pk])))
    assert f'data-turn="{turn.pk}"' not in page
    assert browser(alice).get(reverse("session-turn", args=[session.pk, turn.pk])).status_code == 404


def test_many_items_take_as_many_queries_as_few(alice, session, django_assert_num_queries):
    client = browser(alice)
    summary = add_summary(session, key_facts=[item("It rains.", 1)])
    # who is signed in (2), session, summary, the messages of its items, whether one is being made
    with django_assert_num_queries(6):
        panel(client, session)
    summary.key_facts = summary.decisions = [item("It rains.", seq) for seq in range(1, 5)]
    summary.save()
    with django_assert_num_queries(6):
        panel(client, session)
