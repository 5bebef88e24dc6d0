"""Rooms with their agents."""

from __future__ import annotations

import uuid
from collections.abc import Collection
from typing import Any

from django.db.models import Prefetch, QuerySet, Sum
from django.db.models.functions import Length

from sessions.models import Agent, ChatSession, Room, RoomAgent


def rooms_with_agents(user: Any) -> QuerySet[Room]:
    """Return a person's rooms, with the agents of all rooms in one query: see `agents_of_room`."""
    places = (
        RoomAgent.objects.filter(agent__deleted_at__isnull=True)
        .select_related("agent__model")
        .order_by("position")
    )
    rooms: QuerySet[Room] = Room.objects.of(user).select_related("manager_model")
    return rooms.prefetch_related(Prefetch("places", queryset=places))


def agents_of_room(room: Room) -> list[Agent]:
    """Return the agents of a room from `rooms_with_agents`, in order."""
    return [place.agent for place in room.places.all()]


def prompt_chars(room_ids: Collection[uuid.UUID]) -> dict[uuid.UUID, int]:
    """Return room -> characters of the prompts of its agents; rooms without agents are missing."""
    places = RoomAgent.objects.filter(room__in=room_ids, agent__deleted_at__isnull=True).order_by()
    sums = places.values_list("room").annotate(chars=Sum(Length("agent__role_prompt")))
    return dict(sums)


def list_rooms(user: Any) -> QuerySet[Room]:
    """Return the newest rooms of a person, up to the maximum per person, with the handles of their agents."""
    places = RoomAgent.objects.filter(agent__deleted_at__isnull=True).select_related("agent")
    keys = places.only("room_id", "position", "agent__key").order_by("position")
    rooms: QuerySet[Room] = Room.objects.of(user).defer("goal").prefetch_related(Prefetch("places", keys))
    return rooms[: Room.MOST_PER_PERSON]


class ExistingRooms:
    """Billing's questions about rooms (implements `billing.ports.Rooms`)."""

    def names(self, ids: Collection[uuid.UUID]) -> dict[uuid.UUID, str]:
        return dict(Room.objects.alive().filter(pk__in=ids).values_list("pk", "name"))

    def session_titles(self, ids: Collection[uuid.UUID]) -> dict[uuid.UUID, str]:
        sessions = ChatSession.objects.alive().filter(pk__in=ids).only("title")
        return {session.pk: session.heading for session in sessions}

    def owned_by(self, user_id: uuid.UUID) -> QuerySet[Any, Any]:
        return Room.objects.alive().filter(owner_id=user_id).order_by().values("pk")
