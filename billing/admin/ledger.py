"""The ledger in the administration, read-only.

People, rooms and turns are linked by URL name, since billing cannot import the packages above it.
"""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import CharField, OuterRef, QuerySet, Subquery, Value
from django.db.models.functions import Coalesce
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString

from accounts.models import Team, User
from billing.admin.cells import exact_usd, money_cell, tokens_cell
from billing.models import DailyUsage, UsageEvent
from billing.models.bucket_columns import TOKENS
from billing.models.flags import FLAG_CHOICES, flag_label
from orchestration.engine.modes import MODES
from orchestration.engine.purposes import purpose_choices, purpose_label
from web.admin.cells import count_column, facts_cell, id_link, noted, seconds_column
from web.admin.links import (
    AdminLink,
    LinkedAdmin,
    change_link,
    changelist_link,
    costs_link,
)
from web.admin.readonly import ReadOnlyAdmin, page_link

TOKEN_COLUMNS = tuple(
    count_column(name, label)
    for name, label in zip(
        TOKENS,
        (
            *("Input", "Cache read", "Cache write, 5 minutes", "Cache write, 1 hour", "Output"),
            "Reasoning",
        ),
        strict=True,
    )
)
TIMES = (seconds_column("latency_ms", "Duration"), seconds_column("first_token_ms", "First token after"))


def mode_label(key: str) -> str:
    """Return the name of a mode; of one that is no longer there, its key."""
    return MODES[key].label if key in MODES else key


def lookup_field(model: type[Any], field: str, id_field: str) -> Coalesce:
    """Return a field of the row with this id, "" if it was deleted. For ids that are not foreign keys."""
    value = Subquery(model.objects.filter(pk=OuterRef(id_field)).values(field)[:1])
    return Coalesce(value, Value(""), output_field=CharField())


class PricedFilter(admin.SimpleListFilter):
    title = "price"
    parameter_name = "priced"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("yes", "Priced"), ("no", "Unpriced")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        if self.value() == "no":
            return queryset.unpriced()  # type: ignore[attr-defined]
        return queryset.filter(cost_pico__isnull=False) if self.value() == "yes" else queryset


class FlaggedFilter(admin.SimpleListFilter):
    """Calls with flags, any or of one kind."""

    title = "flags"
    parameter_name = "flagged"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return list(FLAG_CHOICES.items())

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        kind = self.value()
        return queryset.flagged(kind) if kind in FLAG_CHOICES else queryset  # type: ignore[attr-defined]


class PurposeFilter(admin.SimpleListFilter):
    """By purpose. A plain column filter would read the whole table for its distinct values."""

    title = parameter_name = "purpose"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return purpose_choices()

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(purpose=self.value()) if self.value() else queryset


@admin.register(UsageEvent)
class UsageEventAdmin(LinkedAdmin, ReadOnlyAdmin):
    """Every model call as billed. The ledger has no message texts."""

    list_display = (
        *(
            "created_at",
            "person_cell",
            "agent_cell",
            "model_cell",
            "purpose",
            "tokens",
            "status_cell",
            "cost_cell",
        ),
        "turn_link",
    )
    list_filter = (
        *("created_at", PricedFilter, FlaggedFilter, "source", "status", "purpose"),
        *("model__provider", "model"),
    )
    list_select_related = ("model",)
    # Only this order has an index: any other would sort the whole ledger.
    sortable_by = ("created_at",)
    search_fields = ("provider_request_id__exact",)
    search_back = "created_at"
    search_ids = ("id", "turn_id", "user_id", "team_id", "room_id", "agent_id")
    search_help_text = (
        "An email address, the ID of a call, turn, user, team, room or agent, "
        "or a provider's request ID of the last 31 days."
    )
    fieldsets = (
        (None, {"fields": ("id", "created_at", "status", "source", "flag_list", "corrects")}),
        ("Attribution", {"fields": ("person", "team", "token", "room", "agent", "session", "turn")}),
        ("Request", {"fields": ("mode_name", "purpose", "round", "attempt", *TIMES)}),
        ("Model", {"fields": ("provider", "model", "model_asked", "model_served", "provider_request_id")}),
        ("Tokens", {"fields": (*TOKEN_COLUMNS, "report")}),
        ("Cost", {"fields": ("cost", "cost_before", "price", "provider_cost")}),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[UsageEvent]:
        corrections = UsageEvent.objects.filter(corrects=OuterRef("pk")).order_by("-corrections_before")
        return (
            super()
            .get_queryset(request)
            .annotate(
                person_email=lookup_field(User, "email", "user_id"),
                corrected_by=Subquery(corrections.values("pk")[:1]),
            )
        )

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        if "@" not in search_term:
            return super().get_search_results(request, queryset, search_term)
        people = User.objects.filter(email=User.normalize_email(search_term)).values("pk")
        return queryset.filter(user_id__in=people), False

    def links(self, row: UsageEvent) -> list[AdminLink]:
        return [
            change_link("Call", "chat_sessions_call", row.corrects_id or row.pk),
            changelist_link("Ledger calls of this turn", "billing_usageevent", turn_id__exact=row.turn_id),
            costs_link(user=row.user_id, group_by="day"),
        ]

    @admin.display(description="User")
    def person(self, event: UsageEvent) -> SafeString | str:
        email = event.person_email  # type: ignore[attr-defined]
        return page_link("accounts_user", event.user_id, email)

    @admin.display(description="User")
    def person_cell(self, event: UsageEvent) -> SafeString | str:
        return noted(self.person(event), event.team_name)

    @admin.display(description="Agent")
    def agent_cell(self, event: UsageEvent) -> SafeString | str:
        return noted(f"@{event.agent_key}" if event.agent_key else "-", event.room_name)

    @admin.display(description="Model")
    def model_cell(self, event: UsageEvent) -> SafeString | str:
        return noted(event.model.alias, event.provider)

    @admin.display(description="Tokens in / out")
    def tokens(self, event: UsageEvent) -> str:
        return tokens_cell(event.usage.total_input, event.output_tokens)

    @admin.display(description="Status")
    def status_cell(self, event: UsageEvent) -> SafeString | str:
        estimated = event.get_source_display() if event.source != event.Source.PROVIDER else ""
        return noted(event.get_status_display(), estimated)

    @admin.display(description="Cost")
    def cost_cell(self, event: UsageEvent) -> SafeString | str:
        correction = event.corrected_by  # type: ignore[attr-defined]
        note = page_link("billing_usageevent", correction, "corrected later") if correction else ""
        return noted(money_cell(event.cost_pico), note)

    @admin.display(description="Mode")
    def mode_name(self, event: UsageEvent) -> str:
        return mode_label(event.mode)

    @admin.display(description="Flags")
    def flag_list(self, event: UsageEvent) -> str:
        return ", ".join(map(flag_label, event.flags)) or "-"

    @admin.display(description="Usage as the provider reported it")
    def report(self, event: UsageEvent) -> SafeString | str:
        return facts_cell(event.raw_usage)

    @admin.display(description="Cost")
    def cost(self, event: UsageEvent) -> SafeString | str:
        correction = event.corrected_by  # type: ignore[attr-defined]
        if event.cost_pico is None:
            return page_link("billing_usageevent", correction, "priced later") if correction else "unpriced"
        if correction is None:
            return exact_usd(event.cost_pico)
        link = page_link("billing_usageevent", correction, "corrected later")
        return format_html("{} ({})", exact_usd(event.cost_pico), link)

    @admin.display(description="Cost before this correction")
    def cost_before(self, event: UsageEvent) -> str:
        return exact_usd(event.cost_before_pico) if event.corrects_id else "-"

    @admin.display(description="Cost reported by the provider")
    def provider_cost(self, event: UsageEvent) -> str:
        return "-" if event.provider_cost_pico is None else exact_usd(event.provider_cost_pico)

    @admin.display(description="Turn")
    def turn(self, event: UsageEvent) -> SafeString | str:
        return page_link("chat_sessions_turn", event.turn_id)

    @admin.display(description="Turn")
    def turn_link(self, event: UsageEvent) -> SafeString | str:
        return id_link("chat_sessions_turn", event.turn_id)

    @admin.display(description="Team")
    def team(self, event: UsageEvent) -> SafeString | str:
        return page_link("accounts_team", event.team_id, event.team_name)

    @admin.display(description="API token")
    def token(self, event: UsageEvent) -> SafeString | str:
        return page_link("accounts_apitoken", event.token_id)

    @admin.display(description="Session")
    def session(self, event: UsageEvent) -> SafeString | str:
        return page_link("chat_sessions_chatsession", event.session_id)

    @admin.display(description="Room")
    def room(self, event: UsageEvent) -> SafeString | str:
        return page_link("chat_sessions_room", event.room_id, event.room_name)

    @admin.display(description="Agent")
    def agent(self, event: UsageEvent) -> SafeString | str:
        return page_link("chat_sessions_agent", event.agent_id, event.agent_key and f"@{event.agent_key}")


@admin.register(DailyUsage)
class DailyUsageAdmin(LinkedAdmin, ReadOnlyAdmin):
    """The sums that reports read. Each commit of a turn adds to them."""

    list_display = (
        *("day", "person", "team", "model", "purpose_name", "mode_name", "calls", "unpriced_calls", "tokens"),
        *("estimated_cell", "cost_cell"),
    )
    list_filter = ("day", PurposeFilter, "model__provider", "model")
    list_select_related = ("model",)
    sortable_by = ("day",)
    fieldsets = (
        (None, {"fields": ("day", "person", "team", "room", "agent", "model", "purpose_name", "mode_name")}),
        ("Sums", {"fields": ("calls", *TOKEN_COLUMNS, "cost", "estimated_cost", "unpriced_calls")}),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[DailyUsage]:
        return (
            super()
            .get_queryset(request)
            .annotate(
                person_email=lookup_field(User, "email", "user_id"),
                team_now=lookup_field(Team, "name", "team_id"),
            )
        )

    def links(self, row: DailyUsage) -> list[AdminLink]:
        return [costs_link(**{"range": "custom", "from": row.day, "to": row.day, "user": row.user_id})]

    @admin.display(description="Team")
    def team(self, row: DailyUsage) -> SafeString | str:
        return page_link("accounts_team", row.team_id, row.team_now)  # type: ignore[attr-defined]

    @admin.display(description="User")
    def person(self, row: DailyUsage) -> SafeString | str:
        return page_link("accounts_user", row.user_id, row.person_email)  # type: ignore[attr-defined]

    @admin.display(description="Room")
    def room(self, row: DailyUsage) -> SafeString | str:
        return page_link("chat_sessions_room", row.room_id, "room")

    @admin.display(description="Agent")
    def agent(self, row: DailyUsage) -> SafeString | str:
        return page_link("chat_sessions_agent", row.agent_id, "agent")

    @admin.display(description="Tokens in / out")
    def tokens(self, row: DailyUsage) -> str:
        return tokens_cell(row.total_input, row.output_tokens)

    @admin.display(description="Cost")
    def cost_cell(self, row: DailyUsage) -> SafeString:
        return money_cell(row.cost_pico)

    @admin.display(description="Estimated")
    def estimated_cell(self, row: DailyUsage) -> SafeString:
        return money_cell(row.estimated_cost_pico)

    @admin.display(description="Purpose")
    def purpose_name(self, row: DailyUsage) -> str:
        return purpose_label(row.purpose)

    @admin.display(description="Mode")
    def mode_name(self, row: DailyUsage) -> str:
        return mode_label(row.mode)

    @admin.display(description="Cost")
    def cost(self, row: DailyUsage) -> str:
        return exact_usd(row.cost_pico)

    @admin.display(description="Of which estimated")
    def estimated_cost(self, row: DailyUsage) -> str:
        return exact_usd(row.estimated_cost_pico)
