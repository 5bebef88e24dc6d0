"""Holds: what a turn sets aside of hard budgets before anything is sent, and what its calls draw on."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from django.db.models import F
from django.utils import timezone

from billing.fields import usd_text
from billing.models import Budget, Hold, HoldLine
from billing.payer import Payer
from billing.pricing import call_bound_pico, cost_pico, price_for
from billing.selectors.binding import (
    PeriodKey,
    carried_pico,
    hard_budgets,
    key_of,
)
from billing.selectors.price_book import Prices, prices_now
from billing.services.spending import Change, book_of_a_hold, periods_add
from orchestration.engine.forecast import Asked, CallSize, at_most, expected_calls, first_call
from orchestration.engine.specs import ModelRequest, TurnSpec, Usage
from web.compiled import together
from web.errors import PantheonError
from web.instants import instant

HELD_OF_TURN = (
    f"(SELECT amount_pico FROM {Hold._meta.db_table} WHERE resolved_at IS NULL AND turn_id = {{turn_id}})"
)
"""SQL of what a turn holds, NULL where it holds nothing, to be selected along with the turn."""

Used = tuple[uuid.UUID, Usage, dt.datetime]
"""Model, usage and end of a call."""


@dataclass(frozen=True, slots=True)
class Headroom:
    """What there is left in the current period of a budget, whose row is locked."""

    budget: Budget
    key: PeriodKey
    period_id: int
    left_pico: int


def hold_stage(*, payer: Payer, spec: TurnSpec) -> Hold | None:
    """Set aside what a turn may cost of every hard budget that binds it.

    Inside the transaction that accepts it, in which an earlier statement has locked the budgets (`book_of_a_hold`).

    Takes the turn's upper bound, or what is left. Raises `budget_exceeded` where not even the first call fits, and
    `model_unavailable` for a model without a price. None where no hard budget binds, or nothing can cost anything.
    """
    budgets = hard_budgets(payer)
    if not budgets:
        return None
    now = timezone.now()
    prices = prices_now()
    bound = turn_bound_pico(spec, prices, at=now)
    first = first_call(spec)
    first_pico = size_bound_pico(first, prices, at=now) if first else 0
    if bound == 0:
        return None
    today = now.astimezone(dt.UTC).date()
    headrooms = headroom_lock({budget: key_of(budget, payer.user_id, today) for budget in budgets}, today)
    for headroom in headrooms:
        if first_pico > headroom.left_pico:
            raise budget_exceeded(headroom, needed_pico=first_pico)
    takes = {headroom: min(bound, headroom.left_pico) for headroom in headrooms}
    # Made when its periods were chosen: what was carried over is told by that moment.
    hold = Hold.objects.create(turn_id=payer.turn_id, amount_pico=min(takes.values()), created_at=now)
    HoldLine.objects.bulk_create(
        HoldLine(hold=hold, period_id=headroom.period_id, amount_pico=take)
        for headroom, take in takes.items()
    )
    periods_add({headroom.key: Change(held=take) for headroom, take in takes.items()})
    return hold


def hold_raise(*, turn_id: uuid.UUID, by_pico: int) -> None:
    """Set aside as much more for a turn, or what is left (inside the transaction that claims it).

    For calls that are made again: a hold pays for each of its calls once. Each budget gives what the period has left
    in which the calls will end, and the line keeps its own period.
    """
    together(*book_of_a_hold())
    lines = list(HoldLine.objects.filter(hold=turn_id).select_related("period__budget"))
    today = timezone.now().astimezone(dt.UTC).date()
    own = {
        line.period.budget: (line.period.budget_id, line.period.member_id, line.period.start)
        for line in lines
    }
    current = {
        budget: (budget_id, member, max(start, budget.start_of(today)))
        for budget, (budget_id, member, start) in own.items()
    }
    raises = {
        headroom.budget: min(by_pico, headroom.left_pico) if headroom.budget.hard else by_pico
        for headroom in headroom_lock(current, today, beside=own.values())
    }
    for line in lines:
        line.amount_pico += raises[line.period.budget]
    HoldLine.objects.bulk_update(lines, ["amount_pico"])
    periods_add({own[budget]: Change(held=more) for budget, more in raises.items()})
    least = min((line.amount_pico for line in lines), default=None)
    hold = Hold.objects.filter(turn_id=turn_id)
    hold.update(amount_pico=F("amount_pico") + by_pico if least is None else least)


def headroom_lock(
    keys: Mapping[Budget, PeriodKey], today: dt.date, *, beside: Iterable[PeriodKey] = ()
) -> list[Headroom]:
    """Return what the periods of these keys have left, in the order of their budgets; missing ones are made.

    They, and those `beside` them, are locked in one order until the transaction ends. What is carried over is read
    after that, since whoever adds to it locks the same rows.
    """
    rows = periods_add({key: Change() for key in (*keys.values(), *beside)})
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


def turn_bound_pico(spec: TurnSpec, prices: Prices, *, at: dt.datetime) -> int:
    """Return the most that a turn can cost, if an answer has no more than 4 bytes a token.

    Raises `model_unavailable` if a call has no price.
    """
    return sum(asked_bound_pico(asked, prices, at=at) for asked in expected_calls(spec, at_most(spec)))


def asked_bound_pico(asked: Asked, prices: Prices, *, at: dt.datetime) -> int:
    """Return the most that some calls out of several cost: the dearest of them."""
    costs = sorted((size_bound_pico(size, prices, at=at) for size in asked.options), reverse=True)
    return sum(costs[: asked.count])


def size_bound_pico(size: CallSize, prices: Prices, *, at: dt.datetime) -> int:
    bound = call_bound_pico(
        input_tokens=size.input_tokens,
        output_tokens=size.output_tokens,
        prices=prices.get(uuid.UUID(size.model.id), ()),
        at=at,
    )
    if bound is None:
        raise PantheonError(
            "model_unavailable",
            f"{size.model.alias} has no price, and a hard budget binds you: what it costs could not be held. Choose "
            "another model, or ask an administrator for a price.",
            {"model": size.model.alias, "reason": "unpriced"},
        )
    return bound


def budget_exceeded(headroom: Headroom, *, needed_pico: int) -> PantheonError:
    budget, (*_, start) = headroom.budget, headroom.key
    whose = {
        Budget.Scope.EVERYONE: "everyone's",
        Budget.Scope.TEAM: "your team's",
        Budget.Scope.USER: "your",
        Budget.Scope.ROOM: "this room's",
    }[Budget.Scope(budget.scope)]
    if budget.applies == Budget.Applies.EACH:
        whose = "your"
    resets_at = budget.resets_at(start)
    return PantheonError(
        "budget_exceeded",
        f"This needs up to USD {usd_text(needed_pico)}, and USD {usd_text(headroom.left_pico)} of {whose} budget for "
        f"this {budget.period} is left. It begins anew at {resets_at:%Y-%m-%d %H:%M} UTC.",
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
            "resets_at": instant(resets_at),
        },
    )


class Purse:
    """What the calls of one running turn draw on: the engine's `Funds`. Used from the turn's own event loop only."""

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

    def settle(self, call_id: uuid.UUID, cost: int | None) -> None:
        """Put back what a call did not cost; one that cost more than was reserved is paid all the same."""
        reserved = self._reserved.pop(call_id, 0)
        self.left_pico += reserved - (reserved if cost is None else cost)

    def pay(self, calls: Iterable[Used]) -> None:
        """Take off calls that earlier claims made."""
        self.left_pico -= used_pico(calls, self._prices)


def used_pico(calls: Iterable[Used], prices: Prices) -> int:
    """Return what calls cost at the prices of their ends; those without a price nothing."""
    return sum(
        cost_pico(usage, price_for(prices.get(model_id, ()), total_input=usage.total_input, at=at)) or 0
        for model_id, usage, at in calls
    )


def purse_open(
    *,
    turn_id: uuid.UUID,
    held_pico: int | None,
    prices: Prices,
    lost: Sequence[Used] = (),
    paid: Sequence[Used] = (),
) -> Purse | None:
    """Return the purse of a turn that has a hold, None for one that no hard budget binds (inside a transaction).

    `held_pico`: the turn's `HELD_OF_TURN`. `lost`: calls that will be made again, for which the hold is raised.
    `paid`: all that were made, lost ones too.
    """
    if held_pico is None:
        return None
    if by := used_pico(lost, prices):
        hold_raise(turn_id=turn_id, by_pico=by)
        held_pico = Hold.objects.values_list("amount_pico", flat=True).get(turn_id=turn_id)
    purse = Purse(held_pico, prices)
    purse.pay(paid)
    return purse
