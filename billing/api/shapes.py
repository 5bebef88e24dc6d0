"""The shapes of usage in the API's description."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from billing.days import PRESETS
from billing.reports.report import GROUPS
from web.api.schema import query
from web.api.shapes import count, flag, identifier, moment, text, usd


class EventTokensShape(serializers.Serializer[Any]):
    input_tokens = count("Tokens of input, the provider's total.")
    cached_tokens = count("Tokens of input that were read from the provider's cache.")
    cache_write_tokens = count("Tokens of input that were written to the provider's cache.")
    output_tokens = count("Tokens of output, reasoning among them.")
    reasoning_tokens = count("Tokens of output that were reasoning.")
    estimated = flag("The provider gave no figure: counted by us.")


class UsageEventShape(serializers.Serializer[Any]):
    id = identifier("The event, which is the call; a correction has an id of its own.")
    corrects = identifier(
        "The event whose cost this one adds, which had no price then; null: a call of its own.",
        allow_null=True,
    )
    turn_id = identifier("The turn.")
    session_id = identifier("The session.")
    room_id = identifier("The room; null: an agent alone.", allow_null=True)
    room_name = text("The room's name as it was.", allow_null=True)
    agent_id = identifier("Who was asked; null: the manager or the summarizer.", allow_null=True)
    agent_key = text("The agent's key as it was.", allow_null=True)
    mode = text("The turn's mode.", allow_blank=True)
    purpose = text("`reply`, `route`, `evaluate`, `synthesize` or `summarize`.")
    round = count("The round of the turn; null where there is none.", allow_null=True)
    attempt = count("From 1.")
    provider = text("Who ran the model.")
    model = text("The model's alias.")
    status = text("`ok`, `failed`, `cancelled` or `interrupted`.")
    usage = EventTokensShape(help_text="Tokens.")
    cost_usd = usd("What the call cost; null: unpriced.", allow_null=True)
    created_at = moment("When the call ended.")


class SumsShape(serializers.Serializer[Any]):
    calls = count("Calls of models.")
    input_tokens = count("Tokens of input, the providers' total.")
    cached_tokens = count("Tokens of input that were read from a cache.")
    cache_write_tokens = count("Tokens of input that were written to a cache.")
    output_tokens = count("Tokens of output.")
    reasoning_tokens = count("Tokens of output that were reasoning.")
    cost_usd = usd("The sum of the priced calls; null: none is priced.", allow_null=True)
    estimated_cost_usd = usd("The part of it whose tokens we counted.", allow_null=True)
    orchestration_cost_usd = usd("The part of it that managers and summarizers cost.", allow_null=True)
    unpriced_calls = count("Calls without a price.")
    cached_share = text("The cached part of the input, of 1, as a string; null: no input.", allow_null=True)
    orchestration_share = text("Orchestration's part of the cost, of 1, as a string.", allow_null=True)


class UsageRowShape(SumsShape):
    key = text("What the row is about: an id, a day, a name, or `none`.")
    label = text("The same for people.")


class BeforeShape(serializers.Serializer[Any]):
    to = serializers.DateField(help_text="The last UTC day.")
    totals = SumsShape(help_text="Sums.")

    def get_fields(self) -> dict[str, Any]:
        return {"from": serializers.DateField(help_text="The first UTC day."), **super().get_fields()}


class ProjectionShape(serializers.Serializer[Any]):
    to = serializers.DateField(help_text="The last UTC day of the month.")
    cost_so_far_usd = usd("What this month cost until now.", allow_null=True)
    days_so_far = count("Days of the month until now.")
    days = count("Days of the month.")
    projected_cost_usd = usd("What the month will cost if it goes on like this.", allow_null=True)

    def get_fields(self) -> dict[str, Any]:
        first = serializers.DateField(help_text="The first UTC day of the month.")
        return {"from": first, **super().get_fields()}


class UsageSummaryShape(serializers.Serializer[Any]):
    to = serializers.DateField(help_text="The last UTC day.")
    group_by = text("What the rows are about.")
    filters = serializers.DictField(child=serializers.CharField(), help_text="Filter -> value.")
    totals = SumsShape(help_text="Sums of the whole range.")
    rows = UsageRowShape(many=True, help_text="Sums by group.")
    before = BeforeShape(help_text="The range before, as long as this one.")
    projected_month = ProjectionShape(help_text="The month of today.")

    def get_fields(self) -> dict[str, Any]:
        return {"from": serializers.DateField(help_text="The first UTC day."), **super().get_fields()}


RANGE = (
    query("range", "A range of UTC days that ends today; `custom` with `from` and `to`.", enum=list(PRESETS)),
    query("from", "The first UTC day, YYYY-MM-DD."),
    query("to", "The last UTC day, YYYY-MM-DD; the range has at most 366 days."),
)
FILTERS = (
    query("team", "A team's id or name, or `none`."),
    query("user", "A person's id or e-mail address."),
    query("model", "A model's id or alias."),
    query("provider", "A provider's id or name."),
    query("room", "A room's id, or `none`."),
    query("agent", "An agent's id, or `none`."),
    query("mode", "A mode."),
    query("purpose", "A purpose.", enum=["reply", "route", "evaluate", "synthesize", "summarize"]),
)
GROUP = query("group_by", "What the rows are about; `day` without it.", enum=list(GROUPS))
