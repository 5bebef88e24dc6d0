"""Rows for tests, created through the services that users reach."""

from __future__ import annotations

import hashlib
from typing import Any, Protocol

from accounts.models import User
from accounts.services.people import token_create
from accounts.tests.support.clients import make_user
from billing.models import ModelPrice
from orchestration.engine.tokens import estimate_tokens
from orchestration.models import LlmModel, Provider
from sessions.models import Agent, ChatSession, File, Room
from sessions.services.agents import agent_create
from sessions.services.chats import session_create
from sessions.services.rooms import room_create

__all__ = ["make_user"]

RATES = {
    "input_pico": 2_000_000,
    "cache_read_pico": 200_000,
    "cache_write_5m_pico": 2_500_000,
    "cache_write_1h_pico": 4_000_000,
    "output_pico": 10_000_000,
}
"""USD 2 in, 0.20 cached, 2.50 and 4 written, 10 out, per million tokens."""


class ModelPlace(Protocol):
    """Address of a model: a server that a test has started."""

    @property
    def base_url(self) -> str: ...


def make_model(
    server: ModelPlace | None = None,
    alias: str = "test-model",
    *,
    kind: str = "openai",
    priced: bool = True,
    **fields: Any,
) -> LlmModel:
    """A model on a test server, or (without one) on the built-in demo."""
    kind = kind if server else "demo"
    address = {"kind": kind, "base_url": server.base_url if server else ""}
    provider, _ = Provider.objects.get_or_create(name=f"{kind}-test", defaults=address)
    defaults = {"model_id": alias, "context_window": 32_768, "max_output_tokens": 2_048}
    model = LlmModel.objects.create(alias=alias, provider=provider, **{**defaults, **fields})
    if priced:
        ModelPrice.objects.create(model=model, effective_from="2026-01-01T00:00:00Z", source="test", **RATES)
    return model


def make_agent(owner: User, key: str, model: LlmModel | None = None, **fields: Any) -> Agent:
    defaults = {"name": key.title(), "role_prompt": f"You are {key}.", "model": model}
    return agent_create(owner=owner, key=key, **{**defaults, **fields})


def make_room(owner: User, *agents: Agent, **fields: Any) -> Room:
    return room_create(owner=owner, agents=agents, **{"name": "Board", "mode": "manual", **fields})


def make_session(owner: User, place: Room | Agent) -> ChatSession:
    return session_create(
        owner=owner,
        room=place if isinstance(place, Room) else None,
        agent=place if isinstance(place, Agent) else None,
    )


def make_file(owner: User, name: str = "lease.txt", text: str = "The rent is $1.", **fields: Any) -> File:
    """A file of text, without content in the storage; `kind="image"` with its sizes makes an image."""
    is_image = fields.get("kind") == File.Kind.IMAGE
    content = text.encode()
    return File.objects.create(
        **{
            "owner": owner,
            "name": name,
            "media_type": "image/png" if is_image else "text/plain",
            "kind": File.Kind.TEXT,
            "bytes": len(content),
            "sha256": hashlib.sha256(content).hexdigest(),
            "text": "" if is_image else text,
            "tokens": estimate_tokens(text),
            **fields,
        }
    )


def bearer(user: User, *scopes: str) -> str:
    """The Authorization header of a new token."""
    _, secret = token_create(user=user, name="test", scopes=list(scopes) or None)
    return f"Bearer {secret}"
