"""Estimates of a turn's cost before it is sent."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from django.utils import timezone

from billing.models import BudgetPeriod, UsageEvent
from billing.payer import Payer
from billing.pricing import call_bound_pico, cost_pico, price_for
from billing.selectors.binding import binding_budgets, budgets_of, carried_pico, period_key_of
from billing.selectors.price_book import Prices, prices_now
from billing.selectors.unseen import USUAL_OUTPUT_TOKENS
from orchestration.engine.call_sizes import CallSize, ExpectedCalls
from orchestration.engine.forecast import (
    AT_LEAST,
    as_usual,
    at_most,
    expected_calls,
    first_call,
)
from orchestration.engine.purposes import SHOWN
from orchestration.engine.specs import TurnSpec, Usage

SAMPLE = 50
"""Newest answers that the usual length is averaged over."""
RECENT = 200
"""A person's newest answers, among which those of the room are looked for."""
ENOUGH = 3
"""Answers in a room that say what is usual there."""

Cost = Callable[[CallSize, Prices, dt.datetime], int | None]
"""Cost of one call."""

CostChoice = Callable[[Sequence[int], int], int]
"""Cost of `count` calls out of several, given their costs in rising order."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """Pico-USD; None if a model that the turn may call has no price."""

    calls: int
    """The usual number of calls of such a turn."""
    low_pico: int | None
    typical_pico: int | None
    high_pico: int | None
    """The amount that a hard budget would hold."""
    fits_budget: bool
    """Whether every hard budget has left the typical cost, and at least the upper bound of the first call."""


def estimate_of(*, payer: Payer, spec: TurnSpec) -> Estimate:
    """Estimate a turn's cost from the calls it may make and the current prices."""
    now, prices = timezone.now(), prices_now()
    usual = expected_calls(spec, as_usual(spec, output_tokens=usual_output_tokens(payer)))
    low = total_cost_pico(expected_calls(spec, AT_LEAST), prices, now, likely_cost_pico, cheapest)
    typical = total_cost_pico(usual, prices, now, likely_cost_pico, average)
    most = expected_calls(spec, at_most(spec))
    high = total_cost_pico(most, prices, now, upper_bound_pico, costliest)
    first = first_call(most)
    needed = max(upper_bound_pico(first, prices, now) or 0 if first else 0, typical or 0)
    left = least_left_pico(payer, now)
    return Estimate(
        calls=sum(calls.count for calls in usual),
        low_pico=low,
        typical_pico=typical,
        high_pico=high,
        fits_budget=left is None or (high is not None and needed <= left),
    )


def usual_output_tokens(payer: Payer) -> int:
    """Return the average length of this person's newest answers, in tokens: in this room if it has a few."""
    answers = UsageEvent.objects.calls().filter(
        user_id=payer.user_id, status=UsageEvent.Status.OK, purpose__in=SHOWN
    )
    newest = list(answers.order_by("-created_at").values_list("room_id", "output_tokens")[:RECENT])
    here = [tokens for room_id, tokens in newest if room_id == payer.room_id]
    sample = (here if len(here) >= ENOUGH else [tokens for _, tokens in newest])[:SAMPLE]
    return max(1, round(sum(sample) / len(sample))) if sample else USUAL_OUTPUT_TOKENS


def least_left_pico(payer: Payer, now: dt.datetime) -> int | None:
    """Return the smallest amount left in the hard budgets that bind this payer; None if none binds."""
    today = now.astimezone(dt.UTC).date()
    budgets = budgets_of([payer.team_id, payer.user_id, payer.room_id])
    hard = [budget for budget in binding_budgets(budgets, payer.user_id) if budget.hard]
    keys = {budget: period_key_of(budget, payer.user_id, today) for budget in hard}
    periods = BudgetPeriod.objects.filter(
        budget__in=hard,
        member_id__in={member for _, member, _ in keys.values()},
        start__in={start for *_, start in keys.values()},
    )
    rows = {(period.budget_id, period.member_id, period.start): period for period in periods}
    carried = carried_pico(keys.values(), today)
    left = []
    for budget, key in keys.items():
        row = rows.get(key) or BudgetPeriod()
        held = row.held_pico + carried.get(key[:2], 0)
        left.append(budget.left_pico(spent_pico=row.spent_pico, held_pico=held))
    return min(left, default=None)


def total_cost_pico(
    calls: Sequence[ExpectedCalls], prices: Prices, at: dt.datetime, cost: Cost, choose: CostChoice
) -> int | None:
    """Return the total cost of calls, None if one of the options has no price."""
    total = 0
    for group in calls:
        costs = [cost(size, prices, at) for size in group.options]
        priced = sorted(each for each in costs if each is not None)
        if len(priced) < len(costs):
            return None
        total += choose(priced, group.count)
    return total


def upper_bound_pico(size: CallSize, prices: Prices, at: dt.datetime) -> int | None:
    """Return the upper bound of a call's cost, as used for holds."""
    rows = prices.get(uuid.UUID(size.model.id), ())
    return call_bound_pico(
        input_tokens=size.input_tokens, output_tokens=size.output_tokens, prices=rows, at=at
    )


def likely_cost_pico(size: CallSize, prices: Prices, at: dt.datetime) -> int | None:
    """Return the cost of a call of exactly this size, nothing of it cached."""
    price = price_for(prices.get(uuid.UUID(size.model.id), ()), total_input=size.input_tokens, at=at)
    return cost_pico(Usage(input=size.input_tokens, output=size.output_tokens), price)


def cheapest(costs: Sequence[int], count: int) -> int:
    return sum(costs[:count])


def costliest(costs: Sequence[int], count: int) -> int:
    return sum(costs[max(0, len(costs) - count) :])


def average(costs: Sequence[int], count: int) -> int:
    return sum(costs) * count // len(costs)
