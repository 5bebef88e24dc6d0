"""What a turn will cost, told before it is sent."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from django.utils import timezone

from billing.models import BudgetPeriod, UsageEvent
from billing.payer import Payer
from billing.pricing import call_bound_pico, cost_pico, price_for
from billing.selectors.binding import binding, budgets_of, carried_pico, key_of
from billing.selectors.price_book import Prices, prices_now
from orchestration.engine.forecast import (
    AT_LEAST,
    Asked,
    CallSize,
    as_usual,
    at_most,
    expected_calls,
    first_call,
)
from orchestration.engine.specs import TurnSpec, Usage

SAMPLE = 50
"""A person's newest calls, from which the usual length of an answer is taken."""

USUAL_OUTPUT_TOKENS = 400
"""The length of an answer where there is no call to learn from."""

Cost = Callable[[CallSize, Prices, dt.datetime], int | None]
"""What one call costs."""

Choose = Callable[[Sequence[int], int], int]
"""What so many calls cost of those whose costs are given in rising order."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """Pico-USD; None where a model that may be asked has no price."""

    calls: int
    """As many as such a turn usually makes."""
    low_pico: int | None
    typical_pico: int | None
    high_pico: int | None
    """What a hard budget would hold for it."""
    fits_budget: bool
    """Every hard budget has what such a turn usually costs, and at least the first call's upper bound."""


def estimate_of(*, payer: Payer, spec: TurnSpec) -> Estimate:
    """Return what a turn may cost, from the calls it may make and today's prices."""
    now, prices = timezone.now(), prices_now()
    usual = expected_calls(spec, as_usual(spec, output_tokens=usual_output_tokens(payer.user_id)))
    low = priced(expected_calls(spec, AT_LEAST), prices, now, expected, cheapest)
    typical = priced(usual, prices, now, expected, average)
    high = priced(expected_calls(spec, at_most(spec)), prices, now, bound, dearest)
    first = first_call(spec)
    need = max(bound(first, prices, now) or 0 if first else 0, typical or 0)
    left = least_left_pico(payer, now)
    return Estimate(
        calls=sum(asked.count for asked in usual),
        low_pico=low,
        typical_pico=typical,
        high_pico=high,
        fits_budget=left is None or (high is not None and need <= left),
    )


def usual_output_tokens(user_id: uuid.UUID) -> int:
    """Return how long answers to this person mostly were, in tokens."""
    answers = UsageEvent.objects.calls().filter(user_id=user_id, status=UsageEvent.Status.OK)
    newest = list(answers.order_by("-created_at").values_list("output_tokens", flat=True)[:SAMPLE])
    return max(1, round(sum(newest) / len(newest))) if newest else USUAL_OUTPUT_TOKENS


def least_left_pico(payer: Payer, now: dt.datetime) -> int | None:
    """Return what the hard budgets that bind this payer have left at least; None where none binds."""
    today = now.astimezone(dt.UTC).date()
    budgets = budgets_of([payer.team_id, payer.user_id, payer.room_id])
    hard = [budget for budget in binding(budgets, payer.user_id) if budget.hard]
    keys = {budget: key_of(budget, payer.user_id, today) for budget in hard}
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


def priced(calls: Sequence[Asked], prices: Prices, at: dt.datetime, cost: Cost, choose: Choose) -> int | None:
    """Return what calls cost together, None where one that may be made has no price."""
    total = 0
    for asked in calls:
        costs = [cost(size, prices, at) for size in asked.options]
        known = sorted(each for each in costs if each is not None)
        if len(known) < len(costs):
            return None
        total += choose(known, asked.count)
    return total


def bound(size: CallSize, prices: Prices, at: dt.datetime) -> int | None:
    """Return the most that a call is taken to cost, as a hold has it."""
    rows = prices.get(uuid.UUID(size.model.id), ())
    return call_bound_pico(
        input_tokens=size.input_tokens, output_tokens=size.output_tokens, prices=rows, at=at
    )


def expected(size: CallSize, prices: Prices, at: dt.datetime) -> int | None:
    """Return what a call of just this size costs, nothing of it cached."""
    price = price_for(prices.get(uuid.UUID(size.model.id), ()), total_input=size.input_tokens, at=at)
    return cost_pico(Usage(input=size.input_tokens, output=size.output_tokens), price)


def cheapest(costs: Sequence[int], count: int) -> int:
    return sum(costs[:count])


def dearest(costs: Sequence[int], count: int) -> int:
    return sum(costs[max(0, len(costs) - count) :])


def average(costs: Sequence[int], count: int) -> int:
    return sum(costs) * count // len(costs)
