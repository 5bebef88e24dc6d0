"""Changes under a lock: none overwrites another, none restores a deleted row."""

from __future__ import annotations

import threading

import pytest
from django.db import connections

from sessions.models import Agent, Room, RoomAgent
from sessions.services.agents import agent_delete, agent_update
from sessions.services.chats import session_delete, session_rename
from sessions.services.rooms import room_delete, room_set_agents, room_update
from sessions.tests.factories import make_agent, make_model, make_room, make_session
from web.errors import NotFound

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_late_change_does_not_revive_what_was_deleted(alice) -> None:
    agent = make_agent(alice, "ana", make_model())
    room = make_room(alice, agent)
    session = make_session(alice, room)
    stale_agent, stale_room = Agent.objects.get(pk=agent.pk), Room.objects.get(pk=room.pk)
    session_delete(session=session)
    room_delete(room=room)
    agent_delete(agent=agent)
    with pytest.raises(NotFound):
        agent_update(agent=stale_agent, name="Again")
    with pytest.raises(NotFound):
        room_update(room=stale_room, name="Again")
    with pytest.raises(NotFound):
        session_rename(session=session, title="Again")
    assert not Agent.objects.alive().exists()
    assert not Room.objects.alive().exists()


def test_two_changes_of_different_fields_both_stay(alice) -> None:
    agent = make_agent(alice, "ana", make_model())
    stale = Agent.objects.get(pk=agent.pk)
    agent_update(agent=agent, name="Anna")
    agent_update(agent=stale, role_prompt="Be brief.")
    agent.refresh_from_db()
    assert (agent.name, agent.role_prompt) == ("Anna", "Be brief.")


def test_seats_that_are_set_at_once_end_as_one_of_the_orders(alice) -> None:
    model = make_model()
    agents = [make_agent(alice, key, model) for key in ("ana", "bob", "cy")]
    room = make_room(alice, *agents)
    barrier, errors = threading.Barrier(6), []

    def seat(order: list[Agent]) -> None:
        barrier.wait()
        try:
            room_set_agents(room=room, agents=order)
        except Exception as error:  # noqa: BLE001  (compared below)
            errors.append(error)
        finally:
            connections.close_all()

    orders = [agents, agents[::-1]] * 3
    threads = [threading.Thread(target=seat, args=(order,)) for order in orders]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert errors == []
    seated = [place.agent_id for place in RoomAgent.objects.filter(room=room).order_by("position")]
    assert seated in ([agent.pk for agent in agents], [agent.pk for agent in agents[::-1]])
