"""Usage as the API answers it, and the parameters of its reports."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any, NamedTuple

from rest_framework import serializers

from billing.days import PRESETS
from billing.models import ZERO_UUID
from billing.models.flags import FLAG_CHOICES
from billing.reports.filters import key_text
from billing.reports.report import GROUPS, share
from billing.reports.sums import Sums
from billing.selectors.shapes import TokensShape, usd
from orchestration.engine.purposes import PURPOSES
from web.api.schema import query
from web.api.shapes import Shape, count, day, identifier, mapping, moment, part, parts, text


class EventTokensShape(TokensShape):
    # The schema has always had two names for the tokens of a call.
    pass


class UsageEventShape(Shape):
    # Rendered from a `UsageEvent`.
    id = identifier("The call's id; a correction has an id of its own.", of="pk")
    corrects = identifier(
        "Corrections only: the event whose cost this one corrects; null: a call.",
        of="corrects_id",
        allow_null=True,
    )
    turn_id = identifier("The turn.")
    session_id = identifier("The session.")
    room_id = identifier(
        "The room; null: a chat with an agent.", of=lambda event: known(event.room_id), allow_null=True
    )
    room_name = text("The room's name at the time.", allow_null=True)
    agent_id = identifier(
        "The agent; null: manager or summary.", of=lambda event: known(event.agent_id), allow_null=True
    )
    agent_key = text("The agent's handle at the time.", allow_null=True)
    mode = text("The turn's mode.", allow_blank=True)
    purpose = text(f"One of `{'`, `'.join(PURPOSES)}`.")
    round = count("The round of the turn; null: none.", allow_null=True)
    attempt = count("Attempt of the call, from 1.")
    provider = text("The provider's name.")
    model = text("The model's alias.", of="model.alias")
    status = text("`ok`, `failed`, `cancelled` or `interrupted`.")
    usage = part("Token counts.", EventTokensShape, of=lambda event: event)
    cost_usd = usd("Cost of the call; null: unpriced.", of="cost_pico", allow_null=True)
    created_at = moment("When the call ended.")


def known(target_id: uuid.UUID) -> uuid.UUID | None:
    return None if target_id == ZERO_UUID else target_id


class Summed(NamedTuple):
    sums: Sums


def share_of(numerator: str, denominator: str) -> Callable[[Any], str | None]:
    """Return a function that gives the share of one sum in another, from 0 to 1, as a string."""

    def value(row: Any) -> str | None:
        ratio = share(getattr(row.sums, numerator), getattr(row.sums, denominator))
        return None if ratio is None else str(ratio)

    return value


class SumsShape(Shape):
    # Rendered from a row with `sums`.
    calls = count("Model calls.", of="sums.calls")
    input_tokens = count("Input tokens, the providers' total.", of="sums.total_input")
    cached_tokens = count("Input tokens read from a cache.", of="sums.cache_read_tokens")
    cache_write_tokens = count("Input tokens written to a cache.", of="sums.cache_write_tokens")
    output_tokens = count("Output tokens.", of="sums.output_tokens")
    reasoning_tokens = count("Tokens of output that were reasoning.", of="sums.reasoning_tokens")
    cost_usd = usd(
        "Cost of the priced calls; null: none is priced.", of="sums.priced_cost_pico", allow_null=True
    )
    estimated_cost_usd = usd(
        "Part of the cost with estimated tokens.", of="sums.estimated_cost_pico", allow_null=True
    )
    corrected_cost_usd = usd(
        "Part of the cost that corrections of billed calls added; negative if they saved.",
        of="sums.corrected_cost_pico",
    )
    orchestration_cost_usd = usd(
        "Part of the cost that is not answers: routing, evaluation, conclusion, summaries, titles.",
        of="sums.orchestration_cost_pico",
        allow_null=True,
    )
    unpriced_calls = count("Calls without a price.", of="sums.unpriced_calls")
    cached_share = text(
        "Cached share of the input, 0 to 1, as a string; null: no input.",
        of=share_of("cache_read_tokens", "total_input"),
        allow_null=True,
    )
    orchestration_share = text(
        "Orchestration's share of the cost, 0 to 1, as a string; null: no cost.",
        of=share_of("orchestration_cost_pico", "cost_pico"),
        allow_null=True,
    )


class UsageRowShape(SumsShape):
    key = text("The row's key: an id, a day, a name, or `none`.", of=lambda row: key_text(row.key))
    label = text("The row's name for people.")


class BeforeShape(Shape):
    # Rendered from a `UsageSummary`.
    from_ = day("The first UTC day.", of=lambda summary: summary.days.before().first)
    to = day("The last UTC day.", of=lambda summary: summary.days.before().last)
    totals = part("Sums.", SumsShape, of=lambda summary: Summed(summary.before))


class ProjectionShape(Shape):
    # Rendered from a `Projection`.
    from_ = day("The first UTC day of the month.", of="month.first")
    to = day("The last UTC day of the month.", of="month.last")
    cost_so_far_usd = usd("Cost of this month to date.", of="cost_pico", allow_null=True)
    days_so_far = count("Days of the month to date.", of="so_far.length")
    days = count("Days of the month.", of="month.length")
    projected_cost_usd = usd(
        "Cost of the month at the current daily average.", of="projected_pico", allow_null=True
    )


class UsageSummaryShape(Shape):
    # Rendered from a `UsageSummary`.
    from_ = day("The first UTC day.", of="days.first")
    to = day("The last UTC day.", of="days.last")
    group_by = text("The group of the rows.", of="group")
    filters = mapping(
        "Filter -> value.", of=lambda summary: summary.filters.query(), child=serializers.CharField()
    )
    totals = part("Totals of the range.", SumsShape, of=lambda summary: Summed(summary.totals))
    rows = parts("Sums by group.", UsageRowShape, of="table.rows")
    before = part("The range of the same length before.", BeforeShape, of=lambda summary: summary)
    projected_month = part("The current month.", ProjectionShape, of="projection")


RANGE = (
    query("range", "A range of UTC days that ends today; `custom` with `from` and `to`.", enum=list(PRESETS)),
    query("from", "The first UTC day, YYYY-MM-DD."),
    query("to", "The last UTC day, YYYY-MM-DD; the range has at most 366 days."),
)
FILTERS = (
    query("team", "A team's id or name, or `none`."),
    query("user", "A user's id or email address."),
    query("model", "A model's id or alias."),
    query("provider", "A provider's id or name."),
    query("room", "A room's id, or `none`."),
    query("agent", "An agent's id, or `none`."),
    query("mode", "A mode."),
    query("purpose", "A purpose.", enum=list(PURPOSES)),
    query("flag", "Calls with a flag: of a kind, or any.", enum=list(FLAG_CHOICES)),
)
GROUP = query("group_by", "The group of the rows; default: `day`.", enum=list(GROUPS))
