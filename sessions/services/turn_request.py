"""What a user asks for, before anything is checked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from orchestration.models import LlmModel
from sessions.models import Turn


@dataclass(frozen=True, slots=True)
class ClientLine:
    """An earlier message of a conversation that a client keeps."""

    role: Literal["user", "assistant"]
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientContext:
    """A conversation that a client keeps itself, and how it wants to be answered."""

    system: str = ""
    history: tuple[ClientLine, ...] = ()
    """What was said before the message, oldest first."""
    temperature: float | None = None
    max_output_tokens: int | None = None
    """Of each answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnRequest:
    """A new turn."""

    message: str
    mode: str | None = None
    max_rounds: int | None = None
    index: int | None = None
    """The index that the new turn is expected to get."""
    idempotency_key: str | None = None
    digest: str = ""
    """SHA-256 of the request, by which a repeated key is told from a misused one."""
    replaces: Turn | None = None
    """The turn that this one is a new version of."""
    only: tuple[str, ...] | None = None
    """In a new version: keys of the agents that are asked; the others' good answers are carried over."""
    model: LlmModel | None = None
    """In a new version: the model that asked agents run on instead of their own."""
    client: ClientContext | None = None
    """What a client that keeps the conversation itself sent with its message."""
