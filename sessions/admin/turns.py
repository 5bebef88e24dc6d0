"""Turns with their calls in the administration: recipients, durations and costs."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import (
    BigIntegerField,
    Case,
    Count,
    Exists,
    OuterRef,
    QuerySet,
    Subquery,
    Sum,
    Value,
    When,
)
from django.db.models.functions import Coalesce
from django.http import HttpRequest
from django.utils.safestring import SafeString

from billing.admin.cells import exact_usd, money_cell, tokens_cell
from billing.models import UsageEvent
from orchestration.engine.purposes import purpose_label
from orchestration.engine.specs import Usage
from sessions.admin.reading import ReadableAdmin
from sessions.models import Call, Turn
from web.admin.cells import facts_cell, id_link, noted, seconds_column
from web.admin.links import AdminLink, LinkedAdmin, change_link, changelist_link
from web.admin.readonly import ReadOnlyAdmin, ReadOnlyInline, page_link


def with_cost(calls: QuerySet[Call]) -> QuerySet[Call]:
    """Annotate `cost_pico` and `billed_as` (the event's id) from the ledger; an event has the id of its call."""
    event = UsageEvent.objects.filter(pk=OuterRef("pk"))
    corrections = UsageEvent.objects.filter(corrects=OuterRef("pk")).order_by().values("corrects")
    whole = BigIntegerField()
    billed = Subquery(event.values("cost_pico"), output_field=whole)
    corrected = Subquery(corrections.annotate(sum=Sum("cost_pico")).values("sum"), output_field=whole)
    total = Coalesce(billed, Value(0, output_field=whole), output_field=whole) + corrected
    return calls.annotate(
        # Without a price and a correction the cost is NULL, not 0.
        cost_pico=Case(When(Exists(corrections), then=total), default=billed, output_field=whole),
        billed_as=Subquery(event.values("pk")),
    )


LATENCY = seconds_column("latency_ms", "Duration")
FIRST_TOKEN = seconds_column("first_token_ms", "First token after")


class ErrorColumn:
    @admin.display(description="Error")
    def error_code(self, row: Call | Turn) -> str:
        return row.error["code"] if row.error else "-"


class CallColumns(ErrorColumn):
    """Columns of a call in every list of calls."""

    @admin.display(description="Purpose")
    def purpose_cell(self, call: Call) -> SafeString | str:
        return noted(purpose_label(call.purpose), step_note(call))

    @admin.display(description="Purpose")
    def purpose_link(self, call: Call) -> SafeString | str:
        return noted(page_link("chat_sessions_call", call.pk, purpose_label(call.purpose)), step_note(call))

    @admin.display(description="Agent")
    def agent(self, call: Call) -> str:
        return f"@{call.agent_key}" if call.agent_key else "-"

    @admin.display(description="Status")
    def status_cell(self, call: Call) -> SafeString | str:
        return noted(call.get_status_display(), call.error["code"] if call.error else "")

    @admin.display(description="Tokens in / out")
    def tokens(self, call: Call) -> str:
        if not call.usage:
            return "-"
        usage = Usage(**call.usage["usage"])
        return tokens_cell(usage.total_input, usage.output)

    @admin.display(description="Cost")
    def cost_cell(self, call: Any) -> SafeString | str:
        return page_link("billing_usageevent", call.billed_as, money_cell(call.cost_pico))


def step_note(call: Call) -> str:
    """Return round and attempt of a call, as far as they say something."""
    parts = [f"round {call.round}"] if call.round else []
    parts += [f"attempt {call.attempt}"] if call.attempt > 1 else []
    return ", ".join(parts)


class CallInline(CallColumns, ReadOnlyInline):
    model = Call
    fields = ("purpose_link", "agent", "model", "status_cell", "tokens", LATENCY, "cost_cell")
    readonly_fields = fields

    def get_queryset(self, request: HttpRequest) -> QuerySet[Call]:
        return with_cost(super().get_queryset(request).select_related("model").defer("text", "cut_text"))


@admin.register(Turn)
class TurnAdmin(LinkedAdmin, ReadableAdmin, ErrorColumn, ReadOnlyAdmin):
    read_page = "read-turn"
    hidden = ("snapshot", "routing", "unknown_tags", "idempotency_key", "request_digest", "error")
    list_display = (
        *(
            "created_at",
            "user",
            "place",
            "index",
            "mode",
            "status_cell",
            "duration",
            "call_count",
            "cost_cell",
        ),
    )
    list_filter = ("status", "mode", "created_at")
    list_select_related = ("user", "session__room", "session__agent")
    ordering = ("-created_at",)
    sortable_by = ("created_at",)
    search_fields = ("user__email", "user__name")
    search_help_text = "A part of an email address or name, or the ID of a turn, session or user."
    search_ids = ("id", "session_id", "user_id")
    fieldsets = (
        (
            None,
            {"fields": ("id", "user", "token", "session_link", "place_link", "index", "mode", "replaces")},
        ),
        (
            "Outcome",
            {"fields": ("status", "stop_reason", "error_code", "error_reason", "call_count", "cost")},
        ),
        (
            "Running",
            {"fields": ("claim", "handovers", "dispatches", "lease_expires_at", "cancel_requested_at")},
        ),
        ("Dates", {"fields": ("created_at", "completed_at")}),
    )
    inlines = (CallInline,)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Turn]:
        calls = (
            Call.objects.filter(turn=OuterRef("pk")).order_by().values("turn").annotate(number_of=Count("pk"))
        )
        events = UsageEvent.objects.filter(turn_id=OuterRef("pk")).order_by().values("turn_id")
        return (
            super()
            .get_queryset(request)
            .defer(
                "snapshot",
                "routing",
                "session__title",
                "session__search_text",
                "session__room__goal",
                "session__agent__role_prompt",
            )
            .annotate(
                calls_made=Subquery(calls.values("number_of")),
                cost_pico=Subquery(events.annotate(total=Sum("cost_pico")).values("total")),
            )
        )

    def links(self, row: Turn) -> list[AdminLink]:
        return [
            changelist_link("Calls (ledger)", "billing_usageevent", turn_id__exact=row.pk),
            changelist_link("Calls", "chat_sessions_call", turn__id__exact=row.pk),
            changelist_link("Messages", "chat_sessions_message", turn__id__exact=row.pk),
            changelist_link("Turns of this session", "chat_sessions_turn", session__id__exact=row.session_id),
        ]

    @admin.display(description="Status", ordering="status")
    def status_cell(self, turn: Turn) -> SafeString | str:
        return noted(turn.get_status_display(), turn.error["code"] if turn.error else turn.stop_reason)

    @admin.display(description="Reason of the error")
    def error_reason(self, turn: Turn) -> str:
        """Return what the database refused, which has no text (`reason_of`). Other errors have none."""
        is_ours = turn.error is not None and turn.error["code"] == "internal_error"
        reason = turn.error.get("details", {}).get("reason", "") if is_ours and turn.error else ""
        return str(reason) or "-"

    @admin.display(description="Duration")
    def duration(self, turn: Turn) -> str:
        """Return the time from the message to the end."""
        if turn.completed_at is None:
            return "-"
        return f"{max((turn.completed_at - turn.created_at).total_seconds(), 0):,.1f} s"

    @admin.display(description="Cost")
    def cost_cell(self, turn: Any) -> SafeString | str:
        return "-" if turn.cost_pico is None else money_cell(turn.cost_pico)

    @admin.display(description="API token")
    def token(self, turn: Turn) -> SafeString | str:
        return page_link("accounts_apitoken", turn.token_id)

    @admin.display(description="Session")
    def session_link(self, turn: Turn) -> SafeString | str:
        return page_link("chat_sessions_chatsession", turn.session_id)

    @admin.display(description="Room or agent")
    def place(self, turn: Turn) -> str:
        return str(turn.session.room or turn.session.agent)

    @admin.display(description="Room or agent")
    def place_link(self, turn: Turn) -> SafeString | str:
        session = turn.session
        if session.room_id is not None:
            return page_link("chat_sessions_room", session.room_id, session.room)
        return page_link("chat_sessions_agent", session.agent_id, session.agent)

    @admin.display(description="Calls")
    def call_count(self, turn: Any) -> int:
        return turn.calls_made or 0

    @admin.display(description="Cost")
    def cost(self, turn: Any) -> str:
        return "-" if turn.cost_pico is None else exact_usd(turn.cost_pico)


@admin.register(Call)
class CallAdmin(LinkedAdmin, CallColumns, ReadOnlyAdmin):
    """One attempt at a model call. Its text is replayed when the turn is resumed, and stays hidden."""

    hidden = ("text", "cut_text", "error")
    list_display = (
        *("started_at", "purpose_cell", "agent", "model", "status_cell", "tokens", LATENCY, "cost_cell"),
        "turn_short",
    )
    list_filter = ("status", "committed", "started_at", "model__provider", "model")
    list_select_related = ("model",)
    ordering = ("-started_at",)
    sortable_by = ("started_at",)
    search_fields = ("provider_request_id__exact",)
    search_back = "started_at"
    search_ids = ("id", "turn_id")
    search_help_text = "The ID of a call or turn, or a provider's request ID of the last 31 days."
    fieldsets = (
        (None, {"fields": ("id", "turn_link", "purpose_name", "agent_link", "round", "attempt")}),
        ("Model", {"fields": ("model", "model_served", "reasoning_effort", "provider_request_id")}),
        ("Outcome", {"fields": ("status", "error_code", "error_message", "provider_text", "cost")}),
        ("Time", {"fields": ("started_at", "finished_at", LATENCY, FIRST_TOKEN)}),
        ("Tokens and context", {"fields": ("usage_facts", "context_facts")}),
        ("Journal", {"fields": ("number", "claim", "slot", "step_id", "received_bytes", "committed")}),
    )

    def links(self, row: Any) -> list[AdminLink]:
        billed = [change_link("Ledger call", "billing_usageevent", row.billed_as)] if row.billed_as else []
        agent = [change_link("Agent", "chat_sessions_agent", row.agent_id)] if row.agent_id else []
        return [
            *billed,
            *agent,
            changelist_link("Calls of this turn", "chat_sessions_call", turn__id__exact=row.turn_id),
        ]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Call]:
        return with_cost(super().get_queryset(request).defer("text", "cut_text"))

    @admin.display(description="Purpose")
    def purpose_name(self, call: Call) -> str:
        return purpose_label(call.purpose)

    @admin.display(description="Agent")
    def agent_link(self, call: Call) -> SafeString | str:
        return page_link("chat_sessions_agent", call.agent_id, self.agent(call))

    @admin.display(description="Cost")
    def cost(self, call: Any) -> SafeString | str:
        return page_link("billing_usageevent", call.billed_as, exact_usd(call.cost_pico))

    @admin.display(description="Usage")
    def usage_facts(self, call: Call) -> SafeString | str:
        return facts_cell(call.usage)

    @admin.display(description="Context")
    def context_facts(self, call: Call) -> SafeString | str:
        return facts_cell(call.context)

    @admin.display(description="Turn")
    def turn_short(self, call: Call) -> SafeString | str:
        return id_link("chat_sessions_turn", call.turn_id)

    @admin.display(description="Error message")
    def error_message(self, call: Call) -> str:
        return call.error["message"] if call.error else "-"

    @admin.display(description="Provider's message")
    def provider_text(self, call: Call) -> str:
        """Return what the server said, without keys and quotations of the conversation."""
        return (call.error or {}).get("provider_text") or "-"

    @admin.display(description="Turn")
    def turn_link(self, call: Call) -> SafeString | str:
        return page_link("chat_sessions_turn", call.turn_id)
