"""What a user asks for, before anything is checked."""

from __future__ import annotations

from dataclasses import dataclass

from orchestration.models import LlmModel
from sessions.models import Turn


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
