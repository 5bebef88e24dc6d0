"""A user's request, before any check."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from orchestration.models import LlmModel
from sessions.models import File, Turn


@dataclass(frozen=True, slots=True)
class ClientLine:
    """An earlier message of a conversation that a client keeps."""

    role: Literal["user", "assistant"]
    text: str
    files: tuple[str, ...] = ()
    """Ids of its files. The message of the turn brings them too, so that they stay as long as it does."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientContext:
    """A conversation that a client keeps itself, and its parameters for the answers."""

    system: str = ""
    history: tuple[ClientLine, ...] = ()
    """Messages before the current one, oldest first."""
    temperature: float | None = None
    max_output_tokens: int | None = None
    """Limit of each answer."""
    own_files: tuple[str, ...] | None = None
    """Ids of the files of the question itself; None: all that it brings."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnRequest:
    """A new turn."""

    message: str
    mode: str | None = None
    max_rounds: int | None = None
    index: int | None = None
    """The expected index of the new turn."""
    idempotency_key: str | None = None
    digest: str = ""
    """SHA-256 of the request; distinguishes a repeated request from a reused key."""
    replaces: Turn | None = None
    """The turn that this one is a new version of."""
    only: tuple[str, ...] | None = None
    """In a new version: keys of the agents to ask; the others' good answers are carried over."""
    model: LlmModel | None = None
    """In a new version: the model that asked agents run on instead of their own."""
    files: tuple[File, ...] = ()
    """The files that the message brings, in order, without their texts."""
    client: ClientContext | None = None
    """Context from a client that keeps the conversation itself."""
