"""Writes on sessions."""

from __future__ import annotations

from collections.abc import Sequence

from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils import timezone

from accounts.models import User
from orchestration.engine.tags import without_tags
from orchestration.engine.title import cut_at_word
from sessions.models import Agent, ChatSession, Room
from sessions.rendering.markdown import visible_text
from sessions.services.locks import lock_existing
from sessions.services.turn_cancel import turns_stop
from web.database.compiled import insert
from web.errors import ValidationFailed
from web.validation import fields_of, require_valid

MOST_PINS = 50
"""Pinned sessions of a person: every page lists them all."""
TITLE_FROM_CHARS = 4_000
"""The beginning of a message that its session's first title is made of."""


def session_create(
    *, owner: User, room: Room | None = None, agent: Agent | None = None, title: str = ""
) -> ChatSession:
    """Create a session in a room or with one agent (exactly one of the two). Raises ValidationFailed.

    A single statement, so it needs no explicit transaction.
    """
    if (room is None) == (agent is None):
        raise ValidationFailed({"non_field_errors": ["A session is in a room or with one agent."]})
    session = ChatSession(owner=owner, room=room, agent=agent, title=title.strip())
    try:
        session.clean_fields(
            exclude=["owner", "room", "agent"]
        )  # just read from the database: not queried again
    except ValidationError as error:
        raise ValidationFailed(fields_of(error)) from error
    insert([session])
    return session


@transaction.atomic(durable=True)
def session_rename(*, session: ChatSession, title: str) -> ChatSession:
    """Change a session's title; an empty one lets the next message set it. Raises ValidationFailed."""
    session = lock_existing(session)
    session.title = title.strip()
    session.updated_at = timezone.now()
    return save_session(session)


def session_pin(*, session: ChatSession, pinned: bool) -> None:
    """Put a session on top of its owner's list, or take it down. Raises ValidationFailed if there are MOST_PINS.

    A session that is pinned already keeps its place.
    """
    if pinned == session.is_pinned:
        return
    if (
        pinned
        and ChatSession.objects.of(session.owner).listed().filter(pinned_at__isnull=False).count()
        >= MOST_PINS
    ):
        message = f"At most {MOST_PINS} sessions can be pinned. Unpin one first."
        raise ValidationFailed({"pinned": [message]}, message)
    session.pinned_at = timezone.now() if pinned else None
    ChatSession.objects.filter(pk=session.pk).update(pinned_at=session.pinned_at)


def session_see(*, session: ChatSession) -> None:
    """Note that the owner has seen all that a session has now. A single statement."""
    ChatSession.objects.filter(pk=session.pk).update(seen_at=timezone.now())


@transaction.atomic(durable=True)
def session_delete(*, session: ChatSession) -> None:
    """Delete softly: removes the session from every list; the ledger stays. A running turn is stopped."""
    turns_stop(session.turns.all())  # first: a commit locks its turn, and then its session
    session = lock_existing(session)
    session.deleted_at = timezone.now()
    session.save(update_fields=["deleted_at"])


def save_session(session: ChatSession) -> ChatSession:
    """Validate and save (inside a transaction)."""
    require_valid(session)
    session.save()
    return session


def title_from(message: str, keys: Sequence[str]) -> str:
    """Return a title from a first message: its first line without tags of the agents' `keys`, cut at a word."""
    text = without_tags(visible_text(message)[:TITLE_FROM_CHARS], keys)
    return cut_at_word(next((line.strip() for line in text.splitlines() if line.strip()), ""))
