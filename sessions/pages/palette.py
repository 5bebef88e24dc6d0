"""The command palette: what Ctrl+K finds, as options of its list (static/js/palette.js)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse

from accounts.pages.base import PageView
from sessions.models import Agent, ChatSession, Room
from sessions.search_text import fold
from sessions.selectors.palette import palette_finds
from sessions.selectors.search import MAX_QUERY_CHARS, is_storable
from web.errors import PantheonError


@dataclass(frozen=True, slots=True)
class PaletteOption:
    """One line: it leads to an address, or does what the script of that name does."""

    name: str
    url: str = ""
    script: str = ""
    note: str = ""
    icon: str = ""


@dataclass(frozen=True, slots=True)
class PaletteGroup:
    label: str
    options: Sequence[PaletteOption]


@dataclass(frozen=True, slots=True)
class PaletteAction:
    """An action that everybody finds, or staff alone."""

    name: str
    view: str = ""
    script: str = ""
    keys: str = ""
    icon: str = ""
    for_staff: bool = False


ACTIONS = (
    PaletteAction("New session", script="new-session", keys="N", icon="plus"),
    PaletteAction("New room", "room-new", icon="plus"),
    PaletteAction("New agent", "agent-new", icon="plus"),
    PaletteAction("Home", "home"),
    PaletteAction("Usage", "usage"),
    PaletteAction("Account", "account"),
    PaletteAction("Files", "files"),
    PaletteAction("Recently deleted", "deleted"),
    PaletteAction("Keyboard shortcuts", script="keys", keys="?"),
    PaletteAction("Administration", "admin:index", for_staff=True),
)


class PaletteView(PageView):
    """Page fragment: the options for `?q=`."""

    def get(self, request: HttpRequest) -> HttpResponse:
        query = request.GET.get("q", "").strip()
        if len(query) > MAX_QUERY_CHARS or not is_storable(query):
            message = f"q can have at most {MAX_QUERY_CHARS} characters and no null characters."
            raise PantheonError("invalid_parameter", message, {"parameter": "q"})
        finds = palette_finds(self.user, query)
        groups = [
            PaletteGroup("Sessions", [session_option(session) for session in finds.sessions]),
            PaletteGroup("Rooms", [room_option(room) for room in finds.rooms]),
            PaletteGroup("Agents", [agent_option(agent) for agent in finds.agents]),
            PaletteGroup("Actions", action_options(query, is_staff=self.user.is_staff)),
        ]
        return render(request, "partials/palette_options.html", {"groups": groups})


def session_option(session: ChatSession) -> PaletteOption:
    place = session.room or session.agent
    assert place is not None
    url = reverse("session", args=[session.pk])
    return PaletteOption(session.heading, url, note=place.name, icon="mode-direct")


def room_option(room: Room) -> PaletteOption:
    url = reverse("room", args=[room.pk])
    return PaletteOption(room.name, url, note=room.get_mode_display(), icon=f"mode-{room.mode}")


def agent_option(agent: Agent) -> PaletteOption:
    return PaletteOption(agent.name, reverse("agent", args=[agent.pk]), note=f"@{agent.key}", icon="people")


def action_options(query: str, *, is_staff: bool) -> list[PaletteOption]:
    """Return the actions with all words of a query in their names, and the search for it."""
    words = fold(query).split()
    options = [
        PaletteOption(
            action.name, action.view and reverse(action.view), action.script, action.keys, action.icon
        )
        for action in ACTIONS
        if all(word in fold(action.name) for word in words) and (is_staff or not action.for_staff)
    ]
    if not query:
        return options
    url = f"{reverse('search')}?{urlencode({'q': query})}"
    return [*options, PaletteOption(f"Search messages for “{query}”", url, icon="search")]
