"""Deleted items can be restored as long as they are kept."""

from __future__ import annotations

import datetime as dt
import json
from typing import Any

import pytest
from django.db.models import F
from django.urls import reverse
from django.utils import timezone

from accounts.tests.support.admin_site import static_files_as_they_are
from accounts.tests.support.bodies import body_of
from sessions.models import Agent, ChatSession, Room
from sessions.pages import mine
from sessions.selectors.deleted import list_recently_deleted
from sessions.selectors.pages import agents_in
from sessions.services.agents import agent_create, agent_delete, agent_update
from sessions.services.chats import session_delete
from sessions.services.purge import deleted_purge
from sessions.services.restore import agent_restore, room_restore, session_restore
from sessions.services.rooms import room_delete, room_set_agents
from sessions.tests.factories import make_agent, make_room, make_session
from sessions.tests.support.pages import browser, text_of
from web.errors import NotFound, PantheonError, ValidationFailed

__all__ = ["static_files_as_they_are"]

pytestmark = pytest.mark.django_db
LIST = reverse("deleted")


def alive(model) -> set:
    return set(model.objects.alive())


def days_pass(days: int) -> None:
    for model in (ChatSession, Room, Agent):
        model.objects.update(deleted_at=F("deleted_at") - dt.timedelta(days=days))


def test_a_session_comes_back(alice) -> None:
    session = make_session(alice, make_room(alice))
    session_delete(session=session)
    assert list_recently_deleted(alice).sessions == [session]
    session_restore(session=session)
    assert alive(ChatSession) == {session}
    assert not list_recently_deleted(alice).sessions
    session_restore(session=session)  # a second click
    assert alive(ChatSession) == {session}
    direct = make_session(alice, make_agent(alice, "ana"))
    session_delete(session=direct)
    assert list_recently_deleted(alice).sessions == [direct]
    assert session_restore(session=direct).deleted_at is None


def test_a_room_comes_back_with_what_went_with_it(alice) -> None:
    agents = [make_agent(alice, key) for key in ("bob", "ana")]
    room = make_room(alice, *agents)
    before, with_it = make_session(alice, room), make_session(alice, room)
    session_delete(session=before)
    room_delete(room=room)
    deleted = list_recently_deleted(alice)
    assert (deleted.rooms, deleted.sessions) == ([room], [before])
    with pytest.raises(ValidationFailed, match="Restore the room “Board” first"):
        session_restore(session=before)
    room_restore(room=room)
    assert alive(Room) == {room}
    assert alive(ChatSession) == {with_it}
    assert agents_in(room) == agents
    room_restore(room=room)
    session_restore(session=before)
    assert alive(ChatSession) == {before, with_it}


def test_an_agent_comes_back_into_its_rooms(alice) -> None:
    ana, bob = make_agent(alice, "ana"), make_agent(alice, "bob")
    room, changed = make_room(alice, ana, bob), make_room(alice, ana, bob)
    agent_delete(agent=ana)
    assert agents_in(room) == agents_in(changed) == [bob]
    room_set_agents(room=changed, agents=[bob])
    agent_restore(agent=ana)
    assert alive(Agent) == {ana, bob}
    assert agents_in(room) == [ana, bob]
    assert agents_in(changed) == [bob], "what was decided since stays"


def test_an_agent_whose_key_is_taken_waits(alice) -> None:
    ana = make_agent(alice, "ana")
    agent_delete(agent=ana)
    other = agent_create(owner=alice, key="ana", name="Another")
    with pytest.raises(PantheonError, match="You have another agent @ana now") as refused:
        agent_restore(agent=ana)
    assert refused.value.code == "agent_key_taken"
    assert alive(Agent) == {other}
    agent_update(agent=other, key="anna")
    agent_restore(agent=ana)
    assert alive(Agent) == {ana, other}


@pytest.mark.django_db(transaction=True)
def test_what_is_purged_is_gone(alice) -> None:
    room = make_room(alice)
    room_delete(room=room)
    deleted_purge(before=timezone.now())
    with pytest.raises(NotFound):
        room_restore(room=room)


def test_the_list_ends_where_the_purge_begins(alice, bob) -> None:
    agent = make_agent(alice, "ana")
    agent_delete(agent=agent)
    client = browser(alice)
    assert "@ana" in text_of(client.get(LIST))
    assert "@ana" not in text_of(browser(bob).get(LIST))
    days_pass(8)
    assert "@ana" not in text_of(client.get(LIST))
    assert client.post(reverse("agent-restore", args=[agent.pk])).status_code == 404


@pytest.mark.parametrize("kind", ["agent", "room", "session"])
def test_a_deletion_is_undone_from_the_page_that_reports_it(alice, bob, kind) -> None:
    agent = make_agent(alice, "ana")
    room = make_room(alice, agent, name="Harbour board")
    row: Any = {"agent": agent, "room": room, "session": make_session(alice, room)}[kind]
    client, undo = browser(alice), reverse(f"{kind}-restore", args=[row.pk])
    page = text_of(client.post(reverse(f"{kind}-delete", args=[row.pk]), follow=True))
    assert "was deleted." in page
    assert f'action="{undo}"' in page
    assert browser(bob).post(undo).status_code == 404
    assert row not in type(row).objects.alive()
    assert "was restored" in text_of(client.post(undo, follow=True))
    assert row in type(row).objects.alive()
    assert f'action="{undo}"' not in text_of(client.get(reverse("home")))


def test_obstacles_are_shown_on_the_list(alice) -> None:
    ana, room = make_agent(alice, "ana"), make_room(alice)
    session = make_session(alice, room)
    session_delete(session=session)
    room_delete(room=room)
    agent_delete(agent=ana)
    make_agent(alice, "ana")
    client = browser(alice)
    refused = client.post(reverse("agent-restore", args=[ana.pk]), follow=True)
    assert "You have another agent @ana now" in text_of(refused)
    refused = client.post(reverse("session-restore", args=[session.pk]), follow=True)
    assert "Restore the room “Board” first" in text_of(refused)


def test_the_export_is_complete_and_only_the_users_own(alice, bob) -> None:
    room = make_room(alice, make_agent(alice, "ana"))
    make_session(alice, room)
    room_delete(room=room)
    make_agent(bob, "zed")
    response = browser(alice).get(reverse("account-export"))
    assert response.streaming
    assert response["Content-Disposition"].startswith('attachment; filename="pantheon-')
    exported = json.loads(body_of(response))
    assert exported["person"]["email"] == alice.email
    assert [agent["key"] for agent in exported["agents"]] == ["ana"]
    assert len(exported["rooms"]) == len(exported["sessions"]) == 1


def test_many_rows_are_exported_each_once(alice, monkeypatch) -> None:
    monkeypatch.setattr("sessions.selectors.person.CHUNK", 2)
    made = timezone.now()
    for number in range(5):
        make_agent(alice, f"a{number}")
    Agent.objects.filter(key__in=["a1", "a2", "a3"]).update(created_at=made)  # of one moment
    exported = json.loads(body_of(browser(alice).get(reverse("account-export"))))
    assert sorted(agent["key"] for agent in exported["agents"]) == [f"a{number}" for number in range(5)]


def test_an_account_is_exported_a_few_times_an_hour(alice, monkeypatch) -> None:
    monkeypatch.setattr(mine, "EXPORTS_PER_HOUR", 2)
    statuses = [browser(alice).get(reverse("account-export")).status_code for _ in range(3)]
    assert statuses == [200, 200, 429]
