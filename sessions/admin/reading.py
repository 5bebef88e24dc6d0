"""Texts of a turn or a session for staff, if PANTHEON_STAFF_READ_MESSAGES is on. Every view is audited."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.urls import reverse

from accounts.admin.audited import actor_of
from accounts.pages.base import PageView
from accounts.services.audit import audit_record
from sessions.access import any_sent_file, any_session, any_turn
from sessions.downloads import content_response, text_response
from sessions.models import ChatSession, File, Summary, Turn
from sessions.pages.conversation import index_from
from sessions.selectors.reading import list_visible_summaries, list_visible_turns, turns_before, visible

if TYPE_CHECKING:
    _Base = admin.ModelAdmin
else:
    _Base = object

PERMISSION = "chat_sessions.view_message"


def may_read(request: HttpRequest) -> bool:
    return settings.PANTHEON_STAFF_READ_MESSAGES and request.user.has_perm(PERMISSION)


class ReadableAdmin(_Base):
    """Admin page of a row whose texts have their own page, named by `read_page`."""

    read_page = ""
    change_form_template = "admin/chat_sessions/readable_change_form.html"

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        url = reverse(self.read_page, args=[object_id]) if may_read(request) else ""
        return super().change_view(request, object_id, form_url, {**(extra_context or {}), "read_url": url})


class ReadingPage(PageView):
    """Base of reading pages: 404 while the setting is off. The audit entry is committed before anything is shown."""

    template = "admin/chat_sessions/reading.html"

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if not settings.PANTHEON_STAFF_READ_MESSAGES:
            raise Http404
        if not request.user.has_perm(PERMISSION):
            raise PermissionDenied
        return super().dispatch(request, *args, **kwargs)

    def look(self, row: Turn | ChatSession | File, label: str) -> None:
        """Record the view in the audit. The label is not the title, which is a text too."""
        with transaction.atomic():
            audit_record(actor_id=actor_of(self.request), action="read", row=row, label=label)

    def show(self, title: str, page_of_row: str, **context: Any) -> HttpResponse:
        site = admin.site.each_context(self.request)
        page_context = {**site, "title": title, "back": page_of_row, **context}
        return render(self.request, self.template, page_context)


class ReadTurnPage(ReadingPage):
    def get(self, request: HttpRequest, turn_id: str) -> HttpResponse:
        turn = any_turn(turn_id)
        self.look(turn, f"turn {turn.pk}")
        return self.show(
            str(turn),
            reverse("admin:chat_sessions_turn_change", args=[turn.pk]),
            session_url=reverse("read-session", args=[turn.session_id]),
            goal=visible(turn.snapshot.get("goal", "")),
            roster=visible(turn.snapshot.get("roster", [])),
            turns=list_visible_turns([turn]),
            summaries=list_visible_summaries(Summary.objects.filter(turn=turn)),
        )


class ReadSessionPage(ReadingPage):
    """The newest turns, every version of them; `?before=` shows the turns before an index."""

    def get(self, request: HttpRequest, session_id: str) -> HttpResponse:
        before = index_from(request)
        session = any_session(session_id)
        self.look(session, f"session {session.pk}")
        turns, more = turns_before(session, before=before)
        return self.show(
            str(session),
            reverse("admin:chat_sessions_chatsession_change", args=[session.pk]),
            session_title=visible(session.title),
            turns=list_visible_turns(turns),
            more=more,
            summaries=[] if before else list_visible_summaries(Summary.objects.filter(session=session)[:1]),
        )


class ReadFilePage(ReadingPage):
    """What agents got of a file: the text, or the image."""

    def get(self, request: HttpRequest, file_id: str) -> HttpResponseBase:
        file = any_sent_file(file_id)
        self.look(file, f"file {file.pk}")
        return content_response(request, file) if file.kind == File.Kind.IMAGE else text_response(file)
