"""Pages: a session. The transcript is rendered here; what happens while a turn runs comes as events (static/js)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render

from accounts.page_base import PageView
from pantheon.errors import NotFound, PantheonError, ValidationFailed
from sessions.access import access_session, access_turn
from sessions.models import Agent, ChatSession
from sessions.pages.forms import TitleForm
from sessions.pages.money import money
from sessions.pages.transcript import TurnView, turn_view
from sessions.selectors.pages import (
    agents_in,
    default_alias,
    session_total,
    sessions_beside,
    transcript_page,
    turn_rows,
)
from sessions.services.chats import session_delete, session_rename
from sessions.services.starter import STARTER_QUESTION


class SessionView(PageView):
    """The workspace: sessions, conversation, council. `?before=` shows what came before a turn."""

    def get(self, request: HttpRequest, session_id: str) -> HttpResponse:
        session = access_session(self.user, session_id)
        before = index_from(request)
        turns = turns_before(session, before)
        context = {
            **transcript_context(session, turns),
            **council_context(session),
            "reading_older": before is not None,
            "last_index": 0 if before is not None else (turns[-1].turn.index if turns else 0),
            "sessions": sessions_beside(session),
            "prefill": STARTER_QUESTION if "starter" in request.GET and not turns else "",
        }
        return render(request, "pages/session.html", context)


class OlderTurnsView(PageView):
    """A part of the page: the turns before an index, and the link to those before them."""

    def get(self, request: HttpRequest, session_id: str) -> HttpResponse:
        session = access_session(self.user, session_id)
        turns = turns_before(session, index_from(request))
        return render(request, "partials/transcript.html", transcript_context(session, turns))


class SessionTurnView(PageView):
    """A part of the page: one turn as it is stored."""

    def get(self, request: HttpRequest, session_id: str, turn_id: str) -> HttpResponse:
        session = access_session(self.user, session_id)
        turn = access_turn(self.user, turn_id)
        if turn.session_id != session.pk:
            raise NotFound()
        view = turn_view(turn_rows([turn])[0])
        return render(request, "partials/turn.html", {"turn": view, "session": session})


class SessionRenameView(PageView):
    def post(self, request: HttpRequest, session_id: str) -> HttpResponse:
        session = access_session(self.user, session_id)
        form = TitleForm(request.POST)
        if not form.is_valid():
            sentences = [str(sentence) for sentence in form.errors["title"]]
            raise ValidationFailed({"title": sentences}, " ".join(sentences))
        session_rename(session=session, title=form.cleaned_data["title"])
        return redirect("session", session.pk)


class SessionDeleteView(PageView):
    def post(self, request: HttpRequest, session_id: str) -> HttpResponse:
        session = access_session(self.user, session_id)
        session_delete(session=session)
        if session.room is not None:
            return redirect("room", session.room.pk)
        return redirect("home")


def index_from(request: HttpRequest) -> int | None:
    """Return `?before=`, None without. Raises `invalid_parameter`."""
    text = request.GET.get("before", "")
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise PantheonError("invalid_parameter", "before is the number of a turn.", {"parameter": "before"})
    return int(text)


def turns_before(session: ChatSession, before: int | None) -> list[TurnView]:
    return [turn_view(rows) for rows in transcript_page(session, before=before)]


def transcript_context(session: ChatSession, turns: Sequence[TurnView]) -> dict[str, Any]:
    """Return what partials/transcript.html shows."""
    first = turns[0].turn.index or 1 if turns else 1
    return {"session": session, "turns": turns, "older_before": first if first > 1 else None}


def council_context(session: ChatSession) -> dict[str, Any]:
    """Return who sits here, and what it has cost so far."""
    agents: Sequence[Agent] = agents_in(session.room) if session.room else present(session)
    total = session_total(session)
    return {
        "room": session.room,
        "agents": agents,
        "default_alias": default_alias(),
        "total": money(total.cost_pico),
        "unpriced_calls": total.unpriced_calls,
    }


def present(session: ChatSession) -> list[Agent]:
    """Return the one agent of a direct session, nobody where it has been deleted."""
    return [session.agent] if session.agent and session.agent.deleted_at is None else []
