"""Pages: export the account's data as a file; list and restore recently deleted items."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.utils import timezone

from accounts.pages.base import PageView
from accounts.pages.limits import throttle_page
from accounts.throttling import HOUR_S
from sessions.access import access_restorable
from sessions.downloads import download
from sessions.models import Agent, ChatSession, Room
from sessions.selectors.deleted import list_recently_deleted
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


class DeletedView(PageView):
    def get(self, request: HttpRequest) -> HttpResponse:
        return render(request, "pages/deleted.html", {"deleted": list_recently_deleted(self.user)})


class SessionRestoreView(PageView):
    def post(self, request: HttpRequest, session_id: str) -> HttpResponse:
        session = access_restorable(ChatSession, self.user, session_id)
        try:
            session_restore(session=session)
        except ValidationFailed as error:
            return redirect_with_error(request, error)
        messages.success(request, f"“{session.heading}” is back.")
        return redirect("session", session.pk)


class RoomRestoreView(PageView):
    def post(self, request: HttpRequest, room_id: str) -> HttpResponse:
        room = access_restorable(Room, self.user, room_id)
        try:
            room_restore(room=room)
        except ValidationFailed as error:
            return redirect_with_error(request, error)
        messages.success(request, f"The room “{room.name}” is back, with its sessions.")
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
        messages.success(request, f"{agent.name} (@{agent.key}) is back.")
        return redirect("agent", agent.pk)


def redirect_with_error(request: HttpRequest, error: PantheonError) -> HttpResponse:
    """Show why the action is not possible yet, on the list where it can be retried."""
    messages.error(request, error.message)
    return redirect("deleted")


def message_deleted(request: HttpRequest, what: str, undo: str) -> None:
    """Show a message about the deletion on the next page; `undo` is the URL that restores the item."""
    messages.success(request, f"{what} was deleted.", extra_tags=undo)
