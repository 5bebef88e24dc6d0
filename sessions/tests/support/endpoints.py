"""Every endpoint of agents, rooms and sessions, and how to call it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import pytest
from django.test import Client

from accounts.models import User
from accounts.tests.support.clients import (
    make_user,
)
from sessions.models import Agent, ChatSession, Room
from sessions.tests.factories import make_agent, make_room, make_session


@dataclass(frozen=True)
class Endpoint:
    method: str
    path: str
    scope: str = "read"
    body: Any = None
    status: int = 200

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


@dataclass(frozen=True)
class Ids:
    agent: Any
    room: Any
    session: Any

    @classmethod
    def all(cls, value: str) -> Ids:
        return cls(value, value, value)


AGENT = {"key": "new", "name": "New", "role_prompt": "You are new."}


ROOM = {"name": "New", "mode": "manual"}


ENDPOINTS = [
    Endpoint("get", "models"),
    Endpoint("get", "agents"),
    Endpoint("post", "agents", "manage", AGENT, 201),
    Endpoint("get", "agents/{agent}"),
    Endpoint("patch", "agents/{agent}", "manage", {"name": "Renamed"}),
    Endpoint("delete", "agents/{agent}", "manage", None, 204),
    Endpoint("get", "rooms"),
    Endpoint("post", "rooms", "manage", ROOM, 201),
    Endpoint("get", "rooms/{room}"),
    Endpoint("patch", "rooms/{room}", "manage", {"name": "Renamed"}),
    Endpoint("delete", "rooms/{room}", "manage", None, 204),
    Endpoint("put", "rooms/{room}/agents", "manage", []),
    Endpoint("get", "rooms/{room}/sessions"),
    Endpoint("post", "rooms/{room}/sessions", "chat", {"title": "New"}, 201),
    Endpoint("get", "agents/{agent}/sessions"),
    Endpoint("post", "agents/{agent}/sessions", "chat", {"title": "New"}, 201),
    Endpoint("get", "sessions/{session}"),
    Endpoint("patch", "sessions/{session}", "chat", {"title": "Renamed"}),
    Endpoint("delete", "sessions/{session}", "chat", None, 204),
    Endpoint("get", "sessions/{session}/messages"),
]


WRITES = [endpoint for endpoint in ENDPOINTS if endpoint.method != "get"]


def each(endpoints: list[Endpoint]) -> Any:
    return pytest.mark.parametrize("endpoint", endpoints, ids=str)


@pytest.fixture
def alice(db: None) -> User:
    return make_user("alice")


@pytest.fixture
def bob(db: None) -> User:
    return make_user("bob")


@pytest.fixture
def ids(alice: User) -> Ids:
    """An agent, its room, and a session there: all of them Alice's."""
    agent = make_agent(alice, "ana")
    room = make_room(alice, agent)
    return Ids(agent.pk, room.pk, make_session(alice, room).pk)


def url(path: str, ids: Ids) -> str:
    return "/api/v1/" + path.format(agent=ids.agent, room=ids.room, session=ids.session)


def send(client: Client, endpoint: Endpoint, ids: Ids, raw: bytes | None = None, **extra: Any) -> Any:
    """Send an endpoint's own body, or raw bytes instead."""
    if raw is None and endpoint.body is not None:
        raw = json.dumps(endpoint.body).encode()
    body = {} if raw is None else {"data": raw, "content_type": "application/json"}
    return getattr(client, endpoint.method)(url(endpoint.path, ids), **body, **extra)


def stored() -> list[Any]:
    """Return everything that these endpoints may change."""
    models: list[Any] = [Agent, Room, Room.agents.through, ChatSession]
    return [list(model.objects.order_by("pk").values()) for model in models]
