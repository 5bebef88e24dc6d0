"""The summary beside a conversation: its text, four lists, and a link to the source of each item."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse

from accounts.pages.base import PageView
from orchestration.engine.contracts import reason_sentence
from orchestration.engine.summary import FIELDS
from sessions.access import access_session
from sessions.models import ChatSession, Message, Summary
from sessions.rendering.markdown import visible_text
from sessions.selectors.pages import SourceMessage, sources_by_seq, summarizing_turn
from sessions.selectors.summaries import newest_summary

TITLES = {
    "key_facts": "Facts",
    "decisions": "Decisions",
    "open_questions": "Open questions",
    "action_items": "Action items",
}


@dataclass(frozen=True, slots=True)
class Item:
    text: str
    pinned: bool
    seq: int | None
    href: str
    """The URL of the item's source message, empty if unknown."""


@dataclass(frozen=True, slots=True)
class SummaryList:
    field: str
    title: str
    items: Sequence[Item]


@dataclass(frozen=True, slots=True)
class SummaryPanel:
    """The newest summary of a session, if any, and whether one is being created."""

    summary: Summary | None
    text: str
    lists: Sequence[SummaryList]
    markdown: str
    summarizing: uuid.UUID | None

    @property
    def fallback(self) -> str:
        """Why the summary is only a shortened transcript; empty if a model wrote it."""
        if self.summary is None or not self.summary.used_fallback:
            return ""
        return reason_sentence(self.summary.fallback_reason, "model")


class SessionSummaryView(PageView):
    """Page fragment: the summary panel."""

    def get(self, request: HttpRequest, session_id: str) -> HttpResponse:
        session = access_session(self.user, session_id)
        context = {"session": session, "panel": summary_panel(session)}
        return render(request, "partials/summary.html", context)


def summary_panel(session: ChatSession) -> SummaryPanel:
    summary = newest_summary(session.pk)
    if summary is None:
        return SummaryPanel(None, "", [], "", summarizing_turn(session))
    seqs = {item["message_seq"] for field in FIELDS for item in getattr(summary, field)} - {None}
    sources = sources_by_seq(session, seqs)
    lists = [
        SummaryList(field, title, [item_from(item, session, sources) for item in getattr(summary, field)])
        for field, title in TITLES.items()
    ]
    text = visible_text(summary.text)
    return SummaryPanel(summary, text, lists, markdown_of(text, lists), summarizing_turn(session))


def item_from(item: dict[str, object], session: ChatSession, sources: dict[int, SourceMessage]) -> Item:
    seq = item["message_seq"]
    assert seq is None or isinstance(seq, int)
    source = sources.get(seq) if seq is not None else None
    href = address_of(source, session) if source else ""
    return Item(visible_text(str(item["text"])), bool(item.get("pinned")), seq, href)


def address_of(source: SourceMessage, session: ChatSession) -> str:
    """Return the URL of a page that ends with a message's turn, with the message's anchor.

    Scripts stay on the current page if it contains the message.
    """
    message, turn = source.message, source.message.turn
    query = f"version={turn.pk}" if source.replaced else f"before={(turn.index or 0) + 1}"
    anchor = f"turn-{turn.pk}" if message.role == Message.Role.USER else f"message-{message.pk}"
    return f"{reverse('session', args=[session.pk])}?{query}#{anchor}"


def markdown_of(text: str, lists: Sequence[SummaryList]) -> str:
    """Return the summary as Markdown; the number in brackets is the message's."""
    parts = [f"# Summary\n\n{text}"]
    for each in lists:
        if each.items:
            lines = [f"- {item.text}{f' (#{item.seq})' if item.seq else ''}" for item in each.items]
            parts.append("\n".join([f"## {each.title}\n", *lines]))
    return "\n\n".join(parts) + "\n"
