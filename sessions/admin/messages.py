"""Messages and summaries in the administration, without their texts."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import F, QuerySet
from django.db.models.functions import Length
from django.http import HttpRequest
from django.utils.safestring import SafeString

from orchestration.engine.purposes import purpose_label
from sessions.models import Message, Summary
from web.admin.cells import id_link, noted
from web.admin.readonly import ReadOnlyAdmin, page_link


@admin.register(Message)
class MessageAdmin(ReadOnlyAdmin):
    """Author, time and length of messages, without their texts."""

    hidden = ("text", "search_text", "html", "html_version")
    list_display = (
        *(
            "created_at",
            "author",
            "model",
            "status",
            "characters",
            "purpose_cell",
            "session_short",
            "turn_short",
        ),
    )
    list_filter = ("role", "status", "created_at")
    ordering = ("-created_at",)
    sortable_by = ("created_at",)
    search_fields = ("session__owner__email",)
    search_help_text = "A part of an email address, or the ID of a message, session or turn."
    search_ids = ("id", "session_id", "turn_id")
    fields = (
        *("id", "session_link", "turn_link", "seq", "role", "agent_key", "agent_name", "model", "status"),
        *("round", "purpose", "characters", "created_at"),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Message]:
        return super().get_queryset(request).defer("text").annotate(length=Length(F("text")))

    @admin.display(description="Author")
    def author(self, message: Message) -> SafeString | str:
        return noted(
            f"@{message.agent_key}" if message.agent_key else message.get_role_display(), message.agent_name
        )

    @admin.display(description="Purpose")
    def purpose_cell(self, message: Message) -> SafeString | str:
        return noted(
            purpose_label(message.purpose) if message.purpose else "-",
            f"round {message.round}" if message.round else "",
        )

    @admin.display(description="Session")
    def session_short(self, message: Message) -> SafeString | str:
        return id_link("chat_sessions_chatsession", message.session_id)

    @admin.display(description="Turn")
    def turn_short(self, message: Message) -> SafeString | str:
        return id_link("chat_sessions_turn", message.turn_id)

    @admin.display(description="Session")
    def session_link(self, message: Message) -> SafeString | str:
        return page_link("chat_sessions_chatsession", message.session_id)

    @admin.display(description="Turn")
    def turn_link(self, message: Message) -> SafeString | str:
        return page_link("chat_sessions_turn", message.turn_id)

    @admin.display(description="Characters")
    def characters(self, message: Any) -> int:
        return message.length


@admin.register(Summary)
class SummaryAdmin(ReadOnlyAdmin):
    """Time and range of summaries, without their texts."""

    hidden = ("text", "key_facts", "decisions", "open_questions", "action_items")
    list_display = (
        "created_at",
        "from_seq",
        "through_seq",
        "used_fallback",
        "fallback_reason",
        "session_short",
        "turn_short",
    )
    list_filter = ("used_fallback", "created_at")
    ordering = ("-created_at",)
    sortable_by = ("created_at",)
    search_fields = ("session__owner__email",)
    search_ids = ("id", "session_id", "turn_id")
    fields = (
        *("id", "session_link", "turn_link", "from_seq", "through_seq", "used_fallback", "fallback_reason"),
        *("created_at", "updated_at"),
    )

    @admin.display(description="Session")
    def session_short(self, summary: Summary) -> SafeString | str:
        return id_link("chat_sessions_chatsession", summary.session_id)

    @admin.display(description="Turn")
    def turn_short(self, summary: Summary) -> SafeString | str:
        return id_link("chat_sessions_turn", summary.turn_id) if summary.turn_id else "-"

    @admin.display(description="Session")
    def session_link(self, summary: Summary) -> SafeString | str:
        return page_link("chat_sessions_chatsession", summary.session_id)

    @admin.display(description="Turn")
    def turn_link(self, summary: Summary) -> SafeString | str:
        return page_link("chat_sessions_turn", summary.turn_id) if summary.turn_id else "-"
