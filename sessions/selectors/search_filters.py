"""Filters of a search: room, agent and days."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Any

from django.db.models import Q, QuerySet

from billing.days import single_day
from sessions.models import Agent, ChatSession, Message, Room


@dataclass(frozen=True, slots=True)
class SearchFilters:
    """Where to search; days are in UTC, the last one included."""

    room: Room | None = None
    agent: Agent | None = None
    """Messages of this agent, and sessions with it alone."""
    since: dt.date | None = None
    until: dt.date | None = None

    def messages(self, rows: QuerySet[Message]) -> QuerySet[Message]:
        if self.room:
            rows = rows.filter(session__room=self.room)
        if self.agent:
            rows = rows.filter(Q(agent_id=self.agent.pk) | Q(session__agent=self.agent))
        return self._days(rows)

    def sessions(self, rows: QuerySet[ChatSession]) -> QuerySet[ChatSession]:
        if self.room:
            rows = rows.filter(room=self.room)
        if self.agent:
            rows = rows.filter(agent=self.agent)
        return self._days(rows)

    def _days(self, rows: QuerySet[Any]) -> QuerySet[Any]:
        if self.since:
            rows = rows.filter(created_at__gte=single_day(self.since).begin)
        if self.until:
            rows = rows.filter(created_at__lt=single_day(self.until).end)
        return rows


EVERYWHERE = SearchFilters()
