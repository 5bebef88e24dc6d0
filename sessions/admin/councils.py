"""Agents, rooms and sessions in the administration, without their prompts, goals and titles."""

from __future__ import annotations

from django.contrib import admin
from django.db.models import Count, OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.http import HttpRequest

from sessions.admin.reading import ReadableAdmin
from sessions.models import Agent, ChatSession, Room, RoomAgent, Turn
from web.admin.links import AdminLink, LinkedAdmin, budget_links, changelist_link, costs_link
from web.admin.readonly import ReadOnlyAdmin, ReadOnlyInline

DELETED = ("deleted_at", admin.EmptyFieldListFilter)


@admin.register(Agent)
class AgentAdmin(LinkedAdmin, ReadOnlyAdmin):
    hidden = ("role_prompt",)
    list_display = ("key", "name", "owner", "model", "created_at", "deleted_at")
    list_filter = (DELETED, "created_at", "model")
    list_select_related = ("owner", "model")
    search_fields = ("key", "name", "owner__email", "owner__name")
    search_ids = ("id", "owner_id")
    fields = (
        *("id", "key", "name", "owner", "model", "temperature", "max_output_tokens", "reasoning_effort"),
        *("created_at", "updated_at", "deleted_at"),
    )

    def links(self, row: Agent) -> list[AdminLink]:
        return [
            costs_link(agent=row.pk),
            changelist_link("Calls (ledger)", "billing_usageevent", agent_id__exact=row.pk),
            changelist_link("Sessions", "chat_sessions_chatsession", agent__id__exact=row.pk),
        ]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Agent]:
        return super().get_queryset(request).defer("role_prompt")


class PlaceInline(ReadOnlyInline):
    model = RoomAgent
    verbose_name_plural = "Agents"
    fields = ("agent", "name", "answers_with")
    readonly_fields = ("name", "answers_with")

    def get_queryset(self, request: HttpRequest) -> QuerySet[RoomAgent]:
        return (
            super()
            .get_queryset(request)
            .filter(agent__deleted_at__isnull=True)
            .select_related("agent__model")
        )

    @admin.display(description="Name")
    def name(self, place: RoomAgent) -> str:
        return place.agent.name

    @admin.display(description="Model")
    def answers_with(self, place: RoomAgent) -> str:
        return str(place.agent.model or "Default")


@admin.register(Room)
class RoomAdmin(LinkedAdmin, ReadOnlyAdmin):
    hidden = ("goal",)
    list_display = ("name", "owner", "mode", "seats", "created_at", "deleted_at")
    list_filter = (DELETED, "created_at", "mode")
    list_select_related = ("owner",)
    ordering = ("name",)
    search_fields = ("name", "owner__email", "owner__name")
    search_ids = ("id", "owner_id")
    fields = (
        *("id", "name", "owner", "mode", "manager_model", "max_rounds"),
        *("created_at", "updated_at", "deleted_at"),
    )
    inlines = (PlaceInline,)

    def links(self, row: Room) -> list[AdminLink]:
        return [
            costs_link(room=row.pk),
            changelist_link("Calls (ledger)", "billing_usageevent", room_id__exact=row.pk),
            changelist_link("Sessions", "chat_sessions_chatsession", room__id__exact=row.pk),
            *budget_links("room", row.pk)[: None if row.deleted_at is None else 1],
        ]

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


@admin.register(ChatSession)
class ChatSessionAdmin(LinkedAdmin, ReadableAdmin, ReadOnlyAdmin):
    """Sessions by id: a session's title is its first message, so no page shows it."""

    read_page = "read-session"
    hidden = ("title", "search_text")
    list_display = ("short_id", "owner", "place", "turn_count", "created_at", "updated_at", "deleted_at")
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
        turns = Turn.objects.filter(session=OuterRef("pk")).order_by().values("session")
        # Counted only for the rows shown, not for all sessions, so the list cannot be sorted by it.
        made = Coalesce(Subquery(turns.annotate(made=Count("pk")).values("made")), 0)
        sessions = super().get_queryset(request).annotate(turns_made=made)
        return sessions.defer("title", "search_text", "room__goal", "agent__role_prompt")

    def links(self, row: ChatSession) -> list[AdminLink]:
        return [
            changelist_link("Turns", "chat_sessions_turn", session__id__exact=row.pk),
            changelist_link("Messages", "chat_sessions_message", session__id__exact=row.pk),
            changelist_link("Summaries", "chat_sessions_summary", session__id__exact=row.pk),
        ]

    @admin.display(description="Session", ordering="id")
    def short_id(self, session: ChatSession) -> str:
        return str(session.pk)[:8]

    @admin.display(description="Room or agent")
    def place(self, session: ChatSession) -> str:
        return str(session.room or session.agent)

    @admin.display(description="Turns")
    def turn_count(self, session: ChatSession) -> int:
        return session.turns_made  # type: ignore[attr-defined]
