"""Pages: a session. The server renders the transcript; a running turn's events are rendered by static/js."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse

from accounts.pages.base import PageView
from orchestration.engine.modes import MANUAL
from sessions.access import access_session, access_turn
from sessions.models import Agent, ChatSession, Message, Turn
from sessions.models.modes import room_modes
from sessions.pages.addressees import EVERYBODY_CHOICE, next_addressees
from sessions.pages.connect import connect_to
from sessions.pages.empty import empty_context
from sessions.pages.file_chips import ACCEPTED
from sessions.pages.forms import TitleForm
from sessions.pages.input_cuts import newest_notices
from sessions.pages.mine import message_deleted
from sessions.pages.money import money
from sessions.pages.places import address_of_turn
from sessions.pages.script_facts import script_facts
from sessions.pages.sidebar import redirect_back
from sessions.pages.summaries import summary_panel
from sessions.pages.transcript import transcript_turn
from sessions.selectors.pages import (
    agents_in,
    default_alias,
    has_summary,
    is_newest,
    session_total,
    transcript_page,
    turn_rows,
)
from sessions.services.chats import session_delete, session_rename
from sessions.services.starter import STARTER_QUESTION
from web.errors import NotFound, PantheonError, ValidationFailed


class SessionPage(PageView):
    """The workspace: sessions, conversation, council and summary.

    `?before=` shows the turns before an index, `?version=` an earlier version of a turn, and `?turn=` redirects to a
    turn's page.
    """

    def get(self, request: HttpRequest, session_id: str) -> HttpResponse:
        session = access_session(self.user, session_id)
        if turn_id := request.GET.get("turn"):
            return redirect(address_of_turn(session, access_turn(self.user, turn_id)))
        before, version = index_from(request), request.GET.get("version", "")
        if version:
            transcript = version_context(session, access_turn(self.user, version))
        else:
            transcript = transcript_context(session, before)
        turns = transcript["turns"]
        council = council_context(session)
        context = {
            **transcript,
            **council,
            **({} if turns else empty_context(session.room, council["agents"])),
            "facts": script_facts(council["agents"]),
            "only_mode": MANUAL.key,
            "everybody": EVERYBODY_CHOICE,
            "max_message_chars": Message.MAX_CHARS,
            "accepted_files": ACCEPTED,
            "addressees": next_addressees(
                session.room, council["agents"], turns[-1].message if turns else ""
            ),
            "panel": summary_panel(session),
            "connect": connect_to(request, room=session.room, agent=session.agent),
            "reading_older": bool(version) or before is not None,
            "staff_read": settings.PANTHEON_STAFF_READ_MESSAGES,
            "last_index": turns[-1].turn.index if turns else 0,
            "columns": turns[-1].columns if turns else 0,
            "prefill": STARTER_QUESTION if "starter" in request.GET and not turns else "",
        }
        return render(request, "pages/session.html", context)


class OlderTurnsView(PageView):
    """Page fragment: the turns before an index, and the link to older ones."""

    def get(self, request: HttpRequest, session_id: str) -> HttpResponse:
        session = access_session(self.user, session_id)
        return render(request, "partials/transcript.html", transcript_context(session, index_from(request)))


class SessionTurnView(PageView):
    """Page fragment: one turn as stored."""

    def get(self, request: HttpRequest, session_id: str, turn_id: str) -> HttpResponse:
        session = access_session(self.user, session_id)
        turn = access_turn(self.user, turn_id)
        return render(
            request, "partials/turn.html", {**version_context(session, turn), "summarized": has_summary(turn)}
        )


class SessionRenameView(PageView):
    def post(self, request: HttpRequest, session_id: str) -> HttpResponse:
        session = access_session(self.user, session_id)
        form = TitleForm(request.POST)
        if not form.is_valid():
            sentences = [str(sentence) for sentence in form.errors["title"]]
            raise ValidationFailed({"title": sentences}, " ".join(sentences))
        session_rename(session=session, title=form.cleaned_data["title"])
        return redirect_back(request, reverse("session", args=[session.pk]))


class SessionDeleteView(PageView):
    def post(self, request: HttpRequest, session_id: str) -> HttpResponse:
        session = access_session(self.user, session_id)
        session_delete(session=session)
        message_deleted(request, f"“{session.heading}”", reverse("session-restore", args=[session.pk]))
        room = session.room
        return redirect_back(request, reverse("room", args=[room.pk]) if room else reverse("home"))


def index_from(request: HttpRequest) -> int | None:
    """Parse `?before=`; None if absent. Raises `invalid_parameter`."""
    text = request.GET.get("before", "")
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise PantheonError(
            "invalid_parameter", "before must be the number of a turn.", {"parameter": "before"}
        )
    return int(text)


def transcript_context(session: ChatSession, before: int | None) -> dict[str, Any]:
    """Return the context of partials/transcript.html."""
    page = transcript_page(session, before=before)
    newest = page.turns[-1] if page.turns and before is None else None
    turns = [transcript_turn(rows, newest=rows is newest) for rows in page.turns]
    older = {"older_before": page.older_before, "older_index": page.older_index}
    notices = newest_notices(page.turns) if before is None else []
    return {"session": session, "turns": turns, "input_notices": notices, **older}


def version_context(session: ChatSession, turn: Turn) -> dict[str, Any]:
    """Return the context of one turn, of any version. Raises NotFound if the turn is not part of this transcript."""
    if turn.session_id != session.pk or not turn.mode_spec.spoken:
        raise NotFound()
    view = transcript_turn(turn_rows([turn])[0], newest=is_newest(turn))
    return {"session": session, "turn": view, "turns": [view], "older_before": None}


def council_context(session: ChatSession) -> dict[str, Any]:
    """Return the session's agents, and its cost so far."""
    agents: Sequence[Agent] = agents_in(session.room) if session.room else list_direct_agent(session)
    total = session_total(session)
    return {
        "room": session.room,
        "agents": agents,
        "default_alias": default_alias(),
        "modes": room_modes(),
        "total": money(total.cost_pico),
        "unpriced_calls": total.unpriced_calls,
    }


def list_direct_agent(session: ChatSession) -> list[Agent]:
    """Return the agent of a direct session as a list, empty if it has been deleted."""
    return [session.agent] if session.agent and session.agent.deleted_at is None else []
