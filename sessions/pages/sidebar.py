"""The sidebar: what it shows on every page, the parts that load on demand, and the actions of its menus."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme

from accounts.models import User
from accounts.pages.base import PageView
from billing.days import utc_today
from sessions.access import access_session
from sessions.models import ChatSession, Room
from sessions.selectors.search import position_of_cursor
from sessions.selectors.sidebar import (
    LatestSessions,
    SidebarSession,
    list_latest_sessions,
    list_pinned_sessions,
    list_sidebar_rooms,
)
from sessions.services.chats import session_pin, session_see

WEEK = 7


@dataclass(frozen=True, slots=True)
class SessionGroup:
    """Sessions of one period."""

    label: str
    rows: Sequence[SidebarSession]


@dataclass(frozen=True, slots=True)
class RoomEntry:
    room: Room
    is_unread: bool


def sidebar_context(user: User, session: ChatSession | None, room: Room | None) -> dict[str, Any]:
    """Return what the sidebar shows beside a page, with three queries."""
    pinned, latest = list_pinned_sessions(user), list_latest_sessions(user)
    rooms = list_sidebar_rooms(user)
    sessions = [*pinned, *latest.rows]
    # The session of the page is about to be seen: its script says so.
    unread_rooms = {each.session.room_id for each in sessions if each.is_unread and each.session != session}
    newest = max((each.session for each in sessions), key=lambda each: each.updated_at, default=None)
    place = room or session or newest or next(iter(rooms.rows), None)
    return {
        "session": session,
        "room": room,
        "pinned": pinned,
        "rooms": [RoomEntry(each, each.pk in unread_rooms) for each in rooms.rows],
        "has_more_rooms": rooms.has_more,
        **new_session_context(place),
        **latest_context(latest),
    }


def new_session_context(place: Room | ChatSession | None) -> dict[str, str]:
    """Return where *New* creates a session: in this room, or with the room or agent of this session."""
    where = (place.room or place.agent) if isinstance(place, ChatSession) else place
    if where is None or where.deleted_at is not None:
        return {"new_url": "", "new_place": ""}
    name = "room-session-new" if isinstance(where, Room) else "agent-chat"
    return {"new_url": reverse(name, args=[where.pk]), "new_place": where.name}


def latest_context(latest: LatestSessions) -> dict[str, Any]:
    """Return the context of partials/sidebar_sessions.html."""
    today = utc_today()
    groups = groupby(latest.rows, lambda each: period_of(each.session.updated_at.date(), today))
    return {
        "groups": [SessionGroup(label, list(rows)) for label, rows in groups],
        "more_url": latest.more and f"{reverse('sidebar-sessions')}?after={latest.more.cursor}",
    }


def period_of(day: dt.date, today: dt.date) -> str:
    """Return the heading of a day's sessions. static/js/session-periods.js does the same in the reader's time zone."""
    days_ago = (today - day).days
    if days_ago <= 1:
        return "Yesterday" if days_ago == 1 else "Today"
    if days_ago <= WEEK:
        return "Previous 7 days"
    return f"{day:%B}" if day.year == today.year else f"{day:%B %Y}"


def redirect_back(request: HttpRequest, otherwise: str) -> HttpResponse:
    """Redirect to the page that a form was sent from, if it names it; to another by default."""
    address = request.POST.get("next", "")
    is_ours = url_has_allowed_host_and_scheme(
        address, allowed_hosts={request.get_host()}, require_https=request.is_secure()
    )
    return redirect(address if is_ours else otherwise)


class SidebarSessionsView(PageView):
    """Page fragment: the sessions after a position."""

    def get(self, request: HttpRequest) -> HttpResponse:
        latest = list_latest_sessions(self.user, position_of_cursor(request.GET.get("after")))
        return render(request, "partials/sidebar_sessions.html", latest_context(latest))


class SidebarRoomsView(PageView):
    """Page fragment: all rooms."""

    def get(self, request: HttpRequest) -> HttpResponse:
        rooms = list_sidebar_rooms(self.user, every=True).rows
        return render(
            request, "partials/sidebar_rooms.html", {"rooms": [RoomEntry(room, False) for room in rooms]}
        )


class SessionMenuView(PageView):
    """Page fragment: the actions of a session."""

    def get(self, request: HttpRequest, session_id: str) -> HttpResponse:
        session = access_session(self.user, session_id)
        return render(request, "partials/session_menu.html", {"session": session, "prefix": "sidebar-"})


class SessionPinView(PageView):
    def post(self, request: HttpRequest, session_id: str) -> HttpResponse:
        session = access_session(self.user, session_id)
        session_pin(session=session, pinned=request.POST.get("pinned") == "1")
        return redirect_back(request, reverse("session", args=[session.pk]))


class SessionSeenView(PageView):
    """Sent by the page that shows a session, when it opens and when an answer has ended on it."""

    def post(self, request: HttpRequest, session_id: str) -> HttpResponse:
        session_see(session=access_session(self.user, session_id))
        return HttpResponse(status=204)
