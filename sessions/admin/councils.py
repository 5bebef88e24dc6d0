"""Agents, rooms and sessions in the administration, without their prompts, goals and titles."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import Count, Q, QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from accounts.admin_readonly import ReadOnlyAdmin, ReadOnlyInline
from sessions.admin.reading import ReadableAdmin
from sessions.models import Agent, ChatSession, Room, RoomAgent

DELETED = ("deleted_at", admin.EmptyFieldListFilter)


@admin.register(Agent)
class AgentAdmin(ReadOnlyAdmin):
    hidden = ("role_prompt",)
    list_display = ("key", "name", "owner", "model", "created_at", "deleted_at")
    list_filter = (DELETED, "created_at", "model")
    list_select_related = ("owner", "model")
    search_fields = ("key", "name", "owner__email", "owner__name")
    search_ids = ("id", "owner_id")
    fields = (
        *("id", "key", "name", "owner", "model", "temperature", "max_output_tokens"),
        *("created_at", "updated_at", "deleted_at"),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Agent]:
        return super().get_queryset(request).defer("role_prompt")


class PlaceInline(ReadOnlyInline):
    model = RoomAgent
    verbose_name_plural = "Council"
    fields = ("position", "agent")

    def get_queryset(self, request: HttpRequest) -> QuerySet[RoomAgent]:
        return super().get_queryset(request).filter(agent__deleted_at__isnull=True).select_related("agent")


@admin.register(Room)
class RoomAdmin(ReadOnlyAdmin):
    hidden = ("goal",)
    list_display = ("name", "owner", "mode", "seats", "created_at", "deleted_at")
    list_filter = (DELETED, "created_at", "mode")
    list_select_related = ("owner",)
    search_fields = ("name", "owner__email", "owner__name")
    search_ids = ("id", "owner_id")
    fields = (
        *("id", "name", "owner", "mode", "manager_model", "max_rounds"),
        *("created_at", "updated_at", "deleted_at"),
    )
    inlines = (PlaceInline,)

    def get_fields(self, request: HttpRequest, obj: Room | None = None) -> Any:
        may_budget = request.user.has_perm("billing.add_budget")
        return (*self.fields, "budget") if may_budget else self.fields

    def get_readonly_fields(self, request: HttpRequest, obj: Room | None = None) -> Any:
        return (*super().get_readonly_fields(request, obj), "budget")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Room]:
        return (
            super()
            .get_queryset(request)
            .defer("goal")
            .annotate(seat_count=Count("places", filter=Q(places__agent__deleted_at__isnull=True)))
        )

    @admin.display(description="Agents", ordering="seat_count")
    def seats(self, room: Room) -> int:
        return room.seat_count  # type: ignore[attr-defined]

    @admin.display(description="Budget")
    def budget(self, room: Room) -> SafeString | str:
        if room.deleted_at is not None:
            return "-"
        url = reverse("admin:billing_budget_add")
        return format_html('<a href="{}?scope=room&amp;room={}">Set a budget</a>', url, room.pk)


@admin.register(ChatSession)
class ChatSessionAdmin(ReadableAdmin, ReadOnlyAdmin):
    """A session's title is its first message: pages speak of sessions by their id."""

    read_page = "read-session"
    hidden = ("title",)
    list_display = ("id", "owner", "room", "agent", "turn_count", "created_at", "updated_at", "deleted_at")
    list_filter = (DELETED, "origin", "created_at", "updated_at")
    list_select_related = ("owner", "room", "agent")
    search_fields = ("owner__email", "owner__name", "room__name")
    search_ids = ("id", "owner_id", "room_id", "agent_id")
    fields = (
        "id",
        "owner",
        "room",
        "agent",
        "origin",
        "turn_count",
        "created_at",
        "updated_at",
        "deleted_at",
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[ChatSession]:
        sessions = super().get_queryset(request).annotate(turns_made=Count("turns"))
        return sessions.defer("title", "room__goal", "agent__role_prompt")

    def get_object(
        self, request: HttpRequest, object_id: str, from_field: str | None = None
    ) -> ChatSession | None:
        """Return the session under its id: what a row is called stands in headings and breadcrumbs."""
        session: Any = super().get_object(request, object_id, from_field)
        if session is not None:
            session.title = f"Session {session.pk}"
        return session

    @admin.display(description="Turns", ordering="turns_made")
    def turn_count(self, session: ChatSession) -> int:
        return session.turns_made  # type: ignore[attr-defined]
