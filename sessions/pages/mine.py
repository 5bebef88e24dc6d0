"""Pages: export the account's data as a file; list and restore recently deleted items."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone

from accounts.pages.base import PageView
from accounts.pages.limits import throttle_page
from accounts.throttling import HOUR_S
from sessions.access import access_restorable
from sessions.downloads import download
from sessions.models import Agent, ChatSession, Room
from sessions.selectors.deleted import DeletedItems, list_recently_deleted
from sessions.selectors.person import person_json
from sessions.services.restore import agent_restore, room_restore, session_restore
from web.errors import PantheonError, ValidationFailed

EXPORTS_PER_HOUR = 10
"""An export reads everything: for thousands of sessions it takes seconds of the server's time."""


class AccountExportView(PageView):
    """All data stored about a person, as JSON that is streamed while it is read."""

    def get(self, request: HttpRequest) -> HttpResponseBase:
        reason = f"You can export your data {EXPORTS_PER_HOUR} times an hour."
        throttle_page(self.user, "export", limit=EXPORTS_PER_HOUR, window_s=HOUR_S, reason=reason)
        name = f"pantheon-{timezone.now():%Y-%m-%d}.json"
        return download(request.method, person_json(self.user), "application/json", name)


@dataclass(frozen=True, slots=True)
class DeletedRow:
    """A deleted item. `note`: a session's place, an agent's handle."""

    name: str
    note: str
    deleted_at: dt.datetime | None
    restore_url: str


@dataclass(frozen=True, slots=True)
class DeletedSection:
    title: str
    kind: str
    rows: Sequence[DeletedRow]


class DeletedView(PageView):
    def get(self, request: HttpRequest) -> HttpResponse:
        deleted = list_recently_deleted(self.user)
        context = {"days": deleted.days, "sections": deleted_sections(deleted)}
        return render(request, "pages/deleted.html", context)


def deleted_sections(deleted: DeletedItems) -> list[DeletedSection]:
    """Return the sections that have rows."""
    rooms = [
        DeletedRow(room.name, "", room.deleted_at, reverse("room-restore", args=[room.pk]))
        for room in deleted.rooms
    ]
    sessions = [
        DeletedRow(
            session.heading,
            place.name if (place := session.room or session.agent) else "",
            session.deleted_at,
            reverse("session-restore", args=[session.pk]),
        )
        for session in deleted.sessions
    ]
    agents = [
        DeletedRow(agent.name, f"@{agent.key}", agent.deleted_at, reverse("agent-restore", args=[agent.pk]))
        for agent in deleted.agents
    ]
    sections = [("Rooms", "room", rooms), ("Sessions", "session", sessions), ("Agents", "agent", agents)]
    return [DeletedSection(title, kind, rows) for title, kind, rows in sections if rows]


class SessionRestoreView(PageView):
    def post(self, request: HttpRequest, session_id: str) -> HttpResponse:
        session = access_restorable(ChatSession, self.user, session_id)
        try:
            session_restore(session=session)
        except ValidationFailed as error:
            return redirect_with_error(request, error)
        messages.success(request, f"“{session.heading}” was restored.")
        return redirect("session", session.pk)


class RoomRestoreView(PageView):
    def post(self, request: HttpRequest, room_id: str) -> HttpResponse:
        room = access_restorable(Room, self.user, room_id)
        try:
            room_restore(room=room)
        except ValidationFailed as error:
            return redirect_with_error(request, error)
        messages.success(request, f"The room “{room.name}” was restored with its sessions.")
        return redirect("room", room.pk)


class AgentRestoreView(PageView):
    def post(self, request: HttpRequest, agent_id: str) -> HttpResponse:
        agent = access_restorable(Agent, self.user, agent_id)
        try:
            agent_restore(agent=agent)
        except PantheonError as error:
            if error.code not in ("agent_key_taken", "validation_error"):
                raise
            return redirect_with_error(request, error)
        messages.success(request, f"{agent.name} (@{agent.key}) was restored.")
        return redirect("agent", agent.pk)


def redirect_with_error(request: HttpRequest, error: PantheonError) -> HttpResponse:
    """Show why the action is not possible yet, on the list where it can be retried."""
    messages.error(request, error.message)
    return redirect("deleted")


def message_deleted(request: HttpRequest, what: str, undo: str) -> None:
    """Show a message about the deletion on the next page; `undo` is the URL that restores the item."""
    messages.success(request, f"{what} was deleted.", extra_tags=undo)
