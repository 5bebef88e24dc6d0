"""Holds: what a turn sets aside of hard budgets before anything is sent, and what its calls draw on."""

from __future__ import annotations

import datetime as dt
import uuid
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from django.db.models import Q
from django.utils import timezone

from accounts.instants import instant
from billing.fields import usd_text
from billing.models import Budget, BudgetPeriod, Hold, HoldLine, ModelPrice
from billing.pricing import call_bound_pico, cost_pico, price_for
from billing.services.spending import budget_book_share, budgets_of, own_periods
from orchestration.engine.forecast import Asked, CallSize, at_most, expected_calls, first_call
from orchestration.engine.specs import ModelRequest, TurnSpec, Usage
from orchestration.engine.tokens import estimate_calibrated
from pantheon.errors import PantheonError

if TYPE_CHECKING:
    from billing.services.usage import Payer

Prices = Mapping[uuid.UUID, Sequence[ModelPrice]]


def hold_stage(*, payer: Payer, spec: TurnSpec) -> Hold | None:
    """Set aside what a turn may cost of every hard budget that binds it (inside the transaction that accepts it).

    Takes the turn's upper bound, or what is left. Raises `budget_exceeded` where not even the first call fits, and
    `model_unavailable` for a model without a price. None where no hard budget binds, or nothing can cost anything.
    """
    budgets = hard_budgets(payer)
    if not budgets:
        return None
    now = timezone.now()
    prices = prices_of(spec)
    bound = turn_bound_pico(spec, prices, at=now)
    first = first_call(spec)
    first_pico = size_bound_pico(first, prices, at=now) if first else 0
    if bound == 0:
        return None
    takes: list[tuple[BudgetPeriod, int]] = []
    for period in periods_lock(budgets, payer.user_id, now):
        left = max(0, period.budget.limit_pico - period.spent_pico - period.held_pico)
        if first_pico > left:
            raise budget_exceeded(period, needed_pico=first_pico, available_pico=left)
        takes.append((period, min(bound, left)))
    hold = Hold.objects.create(turn_id=payer.turn_id, amount_pico=min(take for _, take in takes))
    HoldLine.objects.bulk_create(
        HoldLine(hold=hold, period=period, amount_pico=take) for period, take in takes
    )
    for period, take in takes:
        period.held_pico += take
    BudgetPeriod.objects.bulk_update([period for period, _ in takes], ["held_pico"])
    return hold


def hard_budgets(payer: Payer) -> list[Budget]:
    """Return the hard budgets that bind a turn of this payer; a user's own takes the place of those for each member."""
    budget_book_share()
    budgets = budgets_of([payer.team_id, payer.user_id, payer.room_id])
    return [budget for budget in binding(budgets, payer.user_id) if budget.hard]


def binding(budgets: Iterable[Budget], user_id: uuid.UUID) -> list[Budget]:
    """Return the budgets of a user without those for each member that a budget of their own overrides."""
    budgets = list(budgets)
    own = own_periods(budgets)
    return [
        budget
        for budget in budgets
        if budget.applies == Budget.Applies.TOTAL or (user_id, budget.period) not in own
    ]


def periods_lock(budgets: Sequence[Budget], user_id: uuid.UUID, now: dt.datetime) -> list[BudgetPeriod]:
    """Return the budgets' current periods, locked in one order until the transaction ends; missing ones are made."""
    today = now.astimezone(dt.UTC).date()
    keys = sorted(
        ((budget.pk, budget.member_of(user_id), budget.start_of(today)) for budget in budgets),
        key=lambda key: [str(part) for part in key],
    )
    BudgetPeriod.objects.bulk_create(
        (BudgetPeriod(budget_id=budget, member_id=member, start=start) for budget, member, start in keys),
        ignore_conflicts=True,
    )
    wanted = Q()
    for budget, member, start in keys:
        wanted |= Q(budget_id=budget, member_id=member, start=start)
    rows = BudgetPeriod.objects.select_for_update().filter(wanted).order_by("budget_id", "member_id", "start")
    by_id = {budget.pk: budget for budget in budgets}
    periods = list(rows)
    for period in periods:
        period.budget = by_id[period.budget_id]
    return periods


def prices_of(spec: TurnSpec) -> Prices:
    """Return model -> prices of all models that a turn may call."""
    models = {uuid.UUID(agent.model.id) for agent in spec.roster}
    models |= {uuid.UUID(model.id) for model in (spec.manager, spec.summarizer) if model is not None}
    prices: dict[uuid.UUID, list[ModelPrice]] = defaultdict(list)
    for price in ModelPrice.objects.filter(model_id__in=models):
        prices[price.model_id].append(price)
    return prices


def turn_bound_pico(spec: TurnSpec, prices: Prices, *, at: dt.datetime) -> int:
    """Return the most that a turn is taken to cost. Raises `model_unavailable` where a call has no price."""
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


def budget_exceeded(period: BudgetPeriod, *, needed_pico: int, available_pico: int) -> PantheonError:
    budget = period.budget
    whose = {
        Budget.Scope.EVERYONE: "everyone's",
        Budget.Scope.TEAM: "your team's",
        Budget.Scope.USER: "your",
        Budget.Scope.ROOM: "this room's",
    }[Budget.Scope(budget.scope)]
    if budget.applies == Budget.Applies.EACH:
        whose = "your"
    resets_at = budget.resets_at(period.start)
    return PantheonError(
        "budget_exceeded",
        f"This needs up to USD {usd_text(needed_pico)}, and USD {usd_text(available_pico)} of {whose} budget for this "
        f"{budget.period} is left. It begins anew at {resets_at:%Y-%m-%d %H:%M} UTC.",
        {
            "budget": {
                "id": str(budget.pk),
                "scope": budget.scope,
                "applies": budget.applies,
                "period": budget.period,
                "limit_usd": usd_text(budget.limit_pico),
            },
            "needed_usd": usd_text(needed_pico),
            "available_usd": usd_text(available_pico),
            "resets_at": instant(resets_at),
        },
    )


class Purse:
    """What the calls of one running turn draw on: the engine's `Funds`. Used from the turn's own event loop only."""

    def __init__(self, amount_pico: int, prices: Prices) -> None:
        self.left_pico = amount_pico
        self._prices = prices
        self._reserved: dict[uuid.UUID, int] = {}

    def reserve(self, call_id: str, request: ModelRequest) -> bool:
        bound = call_bound_pico(
            input_tokens=estimate_calibrated(request),
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

    def pay(self, model_id: uuid.UUID, usage: Usage, at: dt.datetime) -> None:
        """Take off a call that an earlier claim made."""
        price = price_for(self._prices.get(model_id, ()), total_input=usage.total_input, at=at)
        self.left_pico -= cost_pico(usage, price) or 0


def purse_open(*, turn_id: uuid.UUID, spec: TurnSpec) -> Purse | None:
    """Return the purse of a turn that has a hold, None for one that no hard budget binds."""
    amount = (
        Hold.objects.filter(turn_id=turn_id, resolved_at=None).values_list("amount_pico", flat=True).first()
    )
    return None if amount is None else Purse(amount, prices_of(spec))
