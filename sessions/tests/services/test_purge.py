"""Deleted items are erased for good after some days, and nothing else is."""

from __future__ import annotations

import asyncio
import datetime as dt
import io

import pytest
from django.core.management import CommandError, call_command
from django.db.models.signals import pre_delete
from django.utils import timezone

from billing.models import UsageEvent
from sessions.events.eventlog import event_log
from sessions.models import Agent, Call, ChatSession, Message, Room, Turn
from sessions.services.agents import agent_delete
from sessions.services.chats import session_delete
from sessions.services.purge import PurgeCounts, deleted_purge
from sessions.services.rooms import room_delete
from sessions.tests.factories import make_agent, make_room, make_session
from sessions.tests.support.ledger import assert_nothing_to_audit
from sessions.tests.support.waiting import wait_for_event

pytestmark = pytest.mark.django_db(transaction=True)


def long_ago() -> None:
    """Let eight days pass since whatever was deleted."""
    for model in (ChatSession, Room, Agent):
        model.objects.exclude(deleted_at=None).update(deleted_at=timezone.now() - dt.timedelta(days=8))


def test_what_was_deleted_long_ago_goes_and_its_bill_stays(api, alice, openai_model) -> None:
    agent = make_agent(alice, "ana", openai_model)
    gone, kept = (make_session(alice, make_room(alice, agent)) for _ in range(2))
    for session in (gone, kept):
        for _ in range(2):
            assert api.post(f"sessions/{session.pk}/turns", {"message": "@ana hi"}).status_code == 201
    newest = gone.turns.get(index=2)
    assert api.post(f"turns/{newest.pk}/rerun", {}).status_code == 201
    assert gone.room is not None
    room_delete(room=gone.room)
    assert deleted_purge() == PurgeCounts(0, 0, 0)  # it may still be taken back
    long_ago()
    assert deleted_purge() == PurgeCounts(1, 1, 0)
    assert list(ChatSession.objects.all()) == [kept]
    assert list(Room.objects.all()) == [kept.room]
    assert set(Turn.objects.values_list("session", flat=True)) == {kept.pk}
    assert set(Message.objects.values_list("session", flat=True)) == {kept.pk}
    assert set(Call.objects.values_list("turn__session", flat=True)) == {kept.pk}
    assert UsageEvent.objects.count() == 5
    assert_nothing_to_audit()


def test_its_events_go_with_it(api, alice, openai_model) -> None:
    agent = make_agent(alice, "ana", openai_model)
    gone, kept = (make_session(alice, agent) for _ in range(2))
    for session in (gone, kept):
        assert api.post(f"sessions/{session.pk}/turns", {"message": "hi"}).status_code == 201
    turns = [session.turns.get().pk for session in (gone, kept)]
    for turn_id in turns:
        wait_for_event(turn_id, "turn.completed")
    session_delete(session=gone)
    assert all(asyncio.run(event_log.last_seq(turn_id)) for turn_id in turns)  # it may still be taken back
    long_ago()
    assert deleted_purge() == PurgeCounts(1, 0, 0)
    assert [bool(asyncio.run(event_log.last_seq(turn_id))) for turn_id in turns] == [False, True]


def test_a_session_whose_turn_runs_waits(api, alice, openai_model, nobody_runs) -> None:
    session = make_session(alice, make_agent(alice, "ana", openai_model))
    api.post(f"sessions/{session.pk}/turns", {"message": "hi", "background": True})
    session_delete(session=session)
    long_ago()
    assert deleted_purge() == PurgeCounts(0, 0, 0)
    assert Turn.objects.count() == 1


def test_an_agent_goes_when_no_session_of_its_own_is_left(alice, openai_model) -> None:
    agent = make_agent(alice, "ana", openai_model)
    session = make_session(alice, agent)
    agent_delete(agent=agent)
    long_ago()
    assert deleted_purge() == PurgeCounts(0, 0, 0)
    session_delete(session=session)
    long_ago()
    assert deleted_purge() == PurgeCounts(1, 0, 1)
    assert not Agent.objects.exists()


def test_the_command(alice, openai_model) -> None:
    session_delete(session=make_session(alice, make_agent(alice, "ana", openai_model)))
    out = io.StringIO()
    call_command("purge_deleted", stdout=out)
    assert out.getvalue() == "0 sessions, 0 rooms, 0 agents erased.\n"
    call_command("purge_deleted", "--days", "0", stdout=out)
    assert "1 sessions" in out.getvalue()
    with pytest.raises(CommandError):
        call_command("purge_deleted", "--days=-1")


def test_an_interrupted_purge_keeps_what_it_has_done(alice, openai_model) -> None:
    agent = make_agent(alice, "ana", openai_model)
    for _ in range(3):
        session_delete(session=make_session(alice, agent))
    long_ago()
    erased = []

    def interrupt(**kwargs: object) -> None:
        erased.append(kwargs["instance"])
        if len(erased) == 2:
            raise KeyboardInterrupt

    pre_delete.connect(interrupt, sender=ChatSession)
    try:
        with pytest.raises(KeyboardInterrupt):
            deleted_purge()
    finally:
        pre_delete.disconnect(interrupt, sender=ChatSession)
    assert ChatSession.objects.count() == 2
    assert deleted_purge().sessions == 2
