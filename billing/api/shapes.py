"""Schemas of usage in the API description."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from billing.days import PRESETS
from billing.reports.report import GROUPS
from orchestration.engine.purposes import PURPOSES
from web.api.schema import query
from web.api.shapes import count, flag, identifier, moment, text, usd


class EventTokensShape(serializers.Serializer[Any]):
    input_tokens = count("Input tokens, the provider's total.")
    cached_tokens = count("Input tokens read from the provider's cache.")
    cache_write_tokens = count("Input tokens written to the provider's cache.")
    output_tokens = count("Output tokens, including reasoning.")
    reasoning_tokens = count("Tokens of output that were reasoning.")
    estimated = flag("Estimated by Pantheon: the provider reported no usage.")


class UsageEventShape(serializers.Serializer[Any]):
    id = identifier("The call's id; a correction has an id of its own.")
    corrects = identifier(
        "Of a correction: the event that had no price, and whose cost this one adds. null: a call.",
        allow_null=True,
    )
    turn_id = identifier("The turn.")
    session_id = identifier("The session.")
    room_id = identifier("The room; null: a chat with an agent.", allow_null=True)
    room_name = text("The room's name at the time.", allow_null=True)
    agent_id = identifier("The agent; null: manager or summary.", allow_null=True)
    agent_key = text("The agent's handle at the time.", allow_null=True)
    mode = text("The turn's mode.", allow_blank=True)
    purpose = text(f"One of `{'`, `'.join(PURPOSES)}`.")
    round = count("The round of the turn; null: none.", allow_null=True)
    attempt = count("Attempt of the call, from 1.")
    provider = text("The provider's name.")
    model = text("The model's alias.")
    status = text("`ok`, `failed`, `cancelled` or `interrupted`.")
    usage = EventTokensShape(help_text="Token counts.")
    cost_usd = usd("Cost of the call; null: unpriced.", allow_null=True)
    created_at = moment("When the call ended.")


class SumsShape(serializers.Serializer[Any]):
    calls = count("Model calls.")
    input_tokens = count("Input tokens, the providers' total.")
    cached_tokens = count("Input tokens read from a cache.")
    cache_write_tokens = count("Input tokens written to a cache.")
    output_tokens = count("Output tokens.")
    reasoning_tokens = count("Tokens of output that were reasoning.")
    cost_usd = usd("Cost of the priced calls; null: none is priced.", allow_null=True)
    estimated_cost_usd = usd("Part of the cost with estimated tokens.", allow_null=True)
    corrected_cost_usd = usd(
        "Part of the cost that corrections of billed calls added; negative if they saved."
    )
    orchestration_cost_usd = usd(
        "Part of the cost that is not answers: routing, evaluation, conclusion, summary.", allow_null=True
    )
    unpriced_calls = count("Calls without a price.")
    cached_share = text("Cached share of the input, 0 to 1, as a string; null: no input.", allow_null=True)
    orchestration_share = text(
        "Orchestration's share of the cost, 0 to 1, as a string; null: no cost.", allow_null=True
    )


class UsageRowShape(SumsShape):
    key = text("The row's key: an id, a day, a name, or `none`.")
    label = text("The row's name for people.")


class BeforeShape(serializers.Serializer[Any]):
    to = serializers.DateField(help_text="The last UTC day.")
    totals = SumsShape(help_text="Sums.")

    def get_fields(self) -> dict[str, Any]:
        return {"from": serializers.DateField(help_text="The first UTC day."), **super().get_fields()}


class ProjectionShape(serializers.Serializer[Any]):
    to = serializers.DateField(help_text="The last UTC day of the month.")
    cost_so_far_usd = usd("Cost of this month to date.", allow_null=True)
    days_so_far = count("Days of the month to date.")
    days = count("Days of the month.")
    projected_cost_usd = usd("Cost of the month at the current daily average.", allow_null=True)

    def get_fields(self) -> dict[str, Any]:
        first = serializers.DateField(help_text="The first UTC day of the month.")
        return {"from": first, **super().get_fields()}


class UsageSummaryShape(serializers.Serializer[Any]):
    to = serializers.DateField(help_text="The last UTC day.")
    group_by = text("The group of the rows.")
    filters = serializers.DictField(child=serializers.CharField(), help_text="Filter -> value.")
    totals = SumsShape(help_text="Totals of the range.")
    rows = UsageRowShape(many=True, help_text="Sums by group.")
    before = BeforeShape(help_text="The range of the same length before.")
    projected_month = ProjectionShape(help_text="The current month.")

    def get_fields(self) -> dict[str, Any]:
        return {"from": serializers.DateField(help_text="The first UTC day."), **super().get_fields()}


RANGE = (
    query("range", "A range of UTC days that ends today; `custom` with `from` and `to`.", enum=list(PRESETS)),
    query("from", "The first UTC day, YYYY-MM-DD."),
    query("to", "The last UTC day, YYYY-MM-DD; the range has at most 366 days."),
)
FILTERS = (
    query("team", "A team's id or name, or `none`."),
    query("user", "A person's id or email address."),
    query("model", "A model's id or alias."),
    query("provider", "A provider's id or name."),
    query("room", "A room's id, or `none`."),
    query("agent", "An agent's id, or `none`."),
    query("mode", "A mode."),
    query("purpose", "A purpose.", enum=list(PURPOSES)),
)
GROUP = query("group_by", "The group of the rows; default: `day`.", enum=list(GROUPS))
