"""Reads for the command palette: a person's sessions, rooms and agents by a part of their name."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TypeVar

from accounts.models import User
from sessions.models import Agent, ChatSession, Room
from sessions.search_text import fold
from sessions.selectors.search import has_term
from sessions.selectors.search_terms import MAX_TERMS

MOST_OF_KIND = 6

Named = TypeVar("Named", Agent, Room)


@dataclass(frozen=True, slots=True)
class PaletteFinds:
    sessions: Sequence[ChatSession]
    rooms: Sequence[Room]
    agents: Sequence[Agent]


def palette_finds(user: User, query: str) -> PaletteFinds:
    """Return what has all words of a query in its name, in any case and accent; without a query, the latest."""
    words = list(dict.fromkeys(fold(query).split()))[:MAX_TERMS]
    sessions = ChatSession.objects.of(user).listed().select_related("room", "agent")
    for word in words:
        sessions = sessions.filter(has_term(word))
    sessions = sessions.defer("room__goal", "agent__role_prompt").order_by("-updated_at", "pk")
    rooms = Room.objects.of(user).only("name", "mode", "owner_id")
    agents = Agent.objects.of(user).only("name", "key", "owner_id")
    return PaletteFinds(
        list(sessions[:MOST_OF_KIND]),
        named(rooms.order_by("name", "pk")[: Room.MOST_PER_PERSON], words),
        named(agents.order_by("name", "pk")[: Agent.MOST_PER_PERSON], words),
    )


def named(rows: Iterable[Named], words: Sequence[str]) -> list[Named]:
    """Return the first rows with all words in their names. Names are compared here: a person has few of them."""
    folded = ((row, fold(name_of(row))) for row in rows)
    return list(islice((row for row, name in folded if all(word in name for word in words)), MOST_OF_KIND))


def name_of(row: Agent | Room) -> str:
    return f"{row.name} @{row.key}" if isinstance(row, Agent) else row.name
