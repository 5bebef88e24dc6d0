"""Holds: what a turn reserves from hard budgets before its first call, and what its calls are paid from."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from django.db.models import F
from django.utils import timezone

from billing.budget_scopes import owner_for_person
from billing.fields import usd_text
from billing.models import Budget, Hold, HoldLine
from billing.payer import Payer
from billing.pricing import call_bound_pico, cost_pico, price_for
from billing.selectors.binding import (
    PeriodKey,
    carried_pico,
    hard_budgets,
    period_key_of,
)
from billing.selectors.price_book import Prices, prices_now
from billing.services.budget_lock import budgets_hold_lock
from billing.services.periods import PeriodChange, periods_add
from orchestration.engine.call_sizes import CallSize, ExpectedCalls
from orchestration.engine.forecast import at_most, expected_calls, first_call
from orchestration.engine.purposes import Purpose
from orchestration.engine.specs import ModelRequest, TurnSpec, Usage
from web.database.compiled import together
from web.errors import PantheonError
from web.rfc3339 import rfc3339

HOLD_OF_TURN = (
    f"(SELECT amount_pico FROM {Hold._meta.db_table} WHERE resolved_at IS NULL AND turn_id = {{turn_id}})"
)
"""SQL of a turn's held amount, NULL without a hold: select it with the turn, to save a statement."""

UsedCall = tuple[uuid.UUID, Usage, dt.datetime]
"""Model, usage and end of a call."""


@dataclass(frozen=True, slots=True)
class Headroom:
    """What is left in the current period of a budget. The period's row is locked."""

    budget: Budget
    key: PeriodKey
    period_id: int
    left_pico: int


def hold_stage(*, payer: Payer, spec: TurnSpec) -> Hold | None:
    """Reserve what a turn may cost from every hard budget that binds it.

    Inside the transaction that accepts the turn, after a statement that locked the budgets (`budgets_hold_lock`).

    Reserves the turn's upper bound, at 4 bytes per token of an answer, or what is left. Raises `budget_exceeded` if not
    even the first call fits, and `model_unavailable` for a model without a price. None if no hard budget binds the
    turn, or it cannot cost anything.
    """
    budgets = hard_budgets(payer)
    if not budgets:
        return None
    now = timezone.now()
    prices = prices_now()
    calls = expected_calls(spec, at_most(spec))
    answers_pico = sum(option_bound_pico(each, prices, at=now) for each in calls if not is_title(each))
    titles_pico = [title_bound_pico(each, prices, at=now) for each in calls if is_title(each)]
    bound = answers_pico + sum(each or 0 for each in titles_pico)
    first = first_call(calls)
    first_pico = size_bound_pico(first, prices, at=now) if first else 0
    if bound == 0 and None not in titles_pico:  # with a hold of nothing, an unpriced title is not made
        return None
    today = now.astimezone(dt.UTC).date()
    headrooms = headroom_lock(
        {budget: period_key_of(budget, payer.user_id, today) for budget in budgets}, today
    )
    for headroom in headrooms:
        # Answers that cost nothing are never refused; whether the title fits is decided when the turn runs.
        if answers_pico and first_pico > headroom.left_pico:
            raise budget_exceeded(headroom, needed_pico=first_pico)
    amounts = {headroom: max(0, min(bound, headroom.left_pico)) for headroom in headrooms}
    # The same moment as the periods were chosen by: `carried_over` compares `created_at` with their days.
    hold = Hold.objects.create(turn_id=payer.turn_id, amount_pico=min(amounts.values()), created_at=now)
    HoldLine.objects.bulk_create(
        HoldLine(hold=hold, period_id=headroom.period_id, amount_pico=amount)
        for headroom, amount in amounts.items()
    )
    periods_add({headroom.key: PeriodChange(held=amount) for headroom, amount in amounts.items()})
    return hold


def hold_raise(*, turn_id: uuid.UUID, by_pico: int) -> None:
    """Raise a turn's hold by this amount, or by what is left (inside the transaction that claims the turn).

    For calls that are repeated: a hold pays for each call once. The amount is limited by the period in which the
    calls will end, and booked on the line's own period.
    """
    together(*budgets_hold_lock())
    lines = list(HoldLine.objects.filter(hold=turn_id).select_related("period__budget"))
    today = timezone.now().astimezone(dt.UTC).date()
    booked = {
        line.period.budget: (line.period.budget_id, line.period.member_id, line.period.start)
        for line in lines
    }
    current = {
        budget: (budget_id, member, max(start, budget.start_of(today)))
        for budget, (budget_id, member, start) in booked.items()
    }
    raises = {
        headroom.budget: min(by_pico, headroom.left_pico) if headroom.budget.hard else by_pico
        for headroom in headroom_lock(current, today, beside=booked.values())
    }
    for line in lines:
        line.amount_pico += raises[line.period.budget]
    HoldLine.objects.bulk_update(lines, ["amount_pico"])
    periods_add({booked[budget]: PeriodChange(held=more) for budget, more in raises.items()})
    smallest = min((line.amount_pico for line in lines), default=None)
    hold = Hold.objects.filter(turn_id=turn_id)
    hold.update(amount_pico=F("amount_pico") + by_pico if smallest is None else smallest)


def hold_release(turn_id: uuid.UUID) -> dict[PeriodKey, int]:
    """Resolve the turn's hold, if any, and return its amounts by period, in pico-USD.

    Inside the transaction that ends the turn, whose fence keeps other processes out.
    """
    hold = Hold.objects.filter(turn_id=turn_id, resolved_at=None)
    # A hold whose budgets were deleted has no lines: the outer join gives one row of Nones.
    lines = list(
        hold.values_list(
            "lines__period__budget_id",
            "lines__period__member_id",
            "lines__period__start",
            "lines__amount_pico",
        )
    )
    if lines:
        hold.update(resolved_at=timezone.now())
    return {(budget, member, start): amount for budget, member, start, amount in lines if budget is not None}


def headroom_lock(
    keys: Mapping[Budget, PeriodKey], today: dt.date, *, beside: Iterable[PeriodKey] = ()
) -> list[Headroom]:
    """Lock these periods and return what they have left, ordered by budget; create missing ones.

    They and the periods `beside` them are locked in one order until the transaction ends.
    """
    rows = periods_add({key: PeriodChange() for key in (*keys.values(), *beside)})
    # Only after the lock: a transaction that adds to the carried amount locks the same rows.
    carried = carried_pico(keys.values(), today)
    return [
        Headroom(
            budget,
            key,
            rows[key].id,
            budget.left_pico(spent_pico=rows[key].spent, held_pico=rows[key].held + carried.get(key[:2], 0)),
        )
        for budget, key in sorted(keys.items(), key=lambda item: str(item[0].pk))
    ]


def option_bound_pico(calls: ExpectedCalls, prices: Prices, *, at: dt.datetime) -> int:
    """Return the most that `count` of these calls can cost: the sum of the most expensive ones."""
    costs = sorted((size_bound_pico(size, prices, at=at) for size in calls.options), reverse=True)
    return sum(costs[: calls.count])


def is_title(calls: ExpectedCalls) -> bool:
    return calls.options[0].purpose is Purpose.TITLE


def title_bound_pico(calls: ExpectedCalls, prices: Prices, *, at: dt.datetime) -> int | None:
    """Return the most that a title can cost; None if its model has no price: then none is made."""
    return optional_bound_pico(calls.options[0], prices, at=at)


def optional_bound_pico(size: CallSize, prices: Prices, *, at: dt.datetime) -> int | None:
    return call_bound_pico(
        input_tokens=size.input_tokens,
        output_tokens=size.output_tokens,
        prices=prices.get(uuid.UUID(size.model.id), ()),
        at=at,
    )


def size_bound_pico(size: CallSize, prices: Prices, *, at: dt.datetime) -> int:
    bound = optional_bound_pico(size, prices, at=at)
    if bound is None:
        raise PantheonError(
            "model_unavailable",
            f"{size.model.alias} has no price, so a hard budget blocks it. Choose another model, or ask an "
            "administrator to set a price.",
            {"model": size.model.alias, "reason": "unpriced"},
        )
    return bound


def budget_exceeded(headroom: Headroom, *, needed_pico: int) -> PantheonError:
    budget, (*_, start) = headroom.budget, headroom.key
    whose = owner_for_person(budget.scope, budget.applies)
    resets_at = budget.resets_at(start)
    return PantheonError(
        "budget_exceeded",
        f"Budget exceeded: up to ${usd_text(needed_pico)} needed, ${usd_text(headroom.left_pico)} available in {whose} "
        f"budget for this {budget.period} (resets {resets_at:%Y-%m-%dT%H:%MZ}).",
        {
            "budget": {
                "id": str(budget.pk),
                "scope": budget.scope,
                "applies": budget.applies,
                "period": budget.period,
                "limit_usd": usd_text(budget.limit_pico),
            },
            "needed_usd": usd_text(needed_pico),
            "available_usd": usd_text(headroom.left_pico),
            "resets_at": rfc3339(resets_at),
        },
    )


class TurnFunds:
    """The money that a running turn's calls are paid from: the engine's `Funds`. Not thread-safe: one event loop."""

    def __init__(self, amount_pico: int, prices: Prices) -> None:
        self.left_pico = amount_pico
        self._prices = prices
        self._reserved: dict[uuid.UUID, int] = {}

    def reserve(self, call_id: str, request: ModelRequest, *, input_bound: int) -> bool:
        bound = call_bound_pico(
            input_tokens=input_bound,
            output_tokens=request.max_output_tokens,
            prices=self._prices.get(uuid.UUID(request.model.id), ()),
            at=timezone.now(),
        )
        if bound is None or bound > self.left_pico:
            return False
        self._reserved[uuid.UUID(call_id)] = bound
        self.left_pico -= bound
        return True

    def covers(self, spec: TurnSpec) -> bool:
        now, calls = timezone.now(), expected_calls(spec, at_most(spec))
        if any(is_title(each) and title_bound_pico(each, self._prices, at=now) is None for each in calls):
            return False
        return sum(option_bound_pico(each, self._prices, at=now) for each in calls) <= self.left_pico

    def reprice(self, prices: Prices) -> None:
        """Reserve further calls at these prices: an administrator may have raised one while the turn runs."""
        self._prices = prices

    def settle(self, call_id: uuid.UUID, cost: int | None) -> None:
        """Return what a call did not use of its reservation; a call that cost more is paid in full."""
        reserved = self._reserved.pop(call_id, 0)
        self.left_pico += reserved - (reserved if cost is None else cost)

    def pay(self, calls: Iterable[UsedCall]) -> None:
        """Subtract the calls of earlier claims."""
        self.left_pico -= used_pico(calls, self._prices)


def used_pico(calls: Iterable[UsedCall], prices: Prices) -> int:
    """Return what calls cost at the prices in effect when they ended; unpriced calls cost 0."""
    return sum(
        cost_pico(usage, price_for(prices.get(model_id, ()), total_input=usage.total_input, at=at)) or 0
        for model_id, usage, at in calls
    )


def turn_funds_open(
    *,
    turn_id: uuid.UUID,
    held_pico: int | None,
    prices: Prices,
    lost: Sequence[UsedCall] = (),
    paid: Sequence[UsedCall] = (),
) -> TurnFunds | None:
    """Return the funds of a turn, None if it has no hold (inside a transaction).

    `held_pico`: the turn's `HOLD_OF_TURN`. `lost`: calls that will be repeated, for which the hold is raised.
    `paid`: all calls so far, including the lost ones.
    """
    if held_pico is None:
        return None
    if by := used_pico(lost, prices):
        hold_raise(turn_id=turn_id, by_pico=by)
        held_pico = Hold.objects.values_list("amount_pico", flat=True).get(turn_id=turn_id)
    funds = TurnFunds(held_pico, prices)
    funds.pay(paid)
    return funds
