"""Budgets as the API answers them."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import NamedTuple

from rest_framework import serializers

from billing.models import ZERO_UUID, Budget
from billing.selectors.budgets import BudgetState, Fill
from billing.selectors.shapes import usd
from web.api.shapes import (
    Shape,
    count,
    day,
    flag,
    identifier,
    moment,
    number,
    one_of,
    part,
    parts,
    text,
    values,
)


class OwnBudget(NamedTuple):
    """A budget as it binds one person."""

    fill: Fill
    names: Mapping[uuid.UUID, str]
    """Names of the budgets' targets, by id."""

    @property
    def budget(self) -> Budget:
        return self.fill.budget


class StaffBudget(NamedTuple):
    state: BudgetState
    names: Mapping[uuid.UUID, str]
    """Names of the budgets' targets, by id."""
    people: Mapping[uuid.UUID, str]
    """Email addresses of members, by id."""

    @property
    def budget(self) -> Budget:
        return self.state.budget

    @property
    def fill(self) -> Fill:
        """The current period; of a per-member budget, that of the member who has used most."""
        return self.state.current

    @property
    def members(self) -> int | None:
        return self.state.members if self.is_each else None

    @property
    def fullest(self) -> list[Member] | None:
        if not self.is_each:
            return None
        return [Member(fill, self.people[fill.member_id]) for fill in self.state.fullest]

    @property
    def is_each(self) -> bool:
        return self.budget.applies == Budget.Applies.EACH


class Member(NamedTuple):
    fill: Fill
    email: str


class AmountsShape(Shape):
    # Rendered from a row with a `fill`.
    spent_usd = usd("Amount spent in the period.", of="fill.spent_pico")
    held_usd = usd("Amount held by running turns.", of="fill.held_pico")
    available_usd = usd("The limit minus spent and held amounts, at least 0.", of="fill.available_pico")
    percent = number(
        "Spent amount in percent of the limit, rounded down to one decimal.",
        of=lambda row: float(row.fill.percent),
    )


class FullestShape(AmountsShape):
    user_id = identifier("The member.", of="fill.member_id")
    email = text("The member's email address.")


class CurrentShape(AmountsShape):
    start = day("The period's first UTC day.", of="fill.start")
    resets_at = moment("When the next period begins.", of="fill.resets_at")
    members = count("Per-member budgets: number of members with spending in the period.", required=False)
    fullest = parts("Per-member budgets: members, most used first.", FullestShape, required=False)


class BudgetFieldsShape(Shape):
    # Rendered from a row with a `budget` and the `names` of targets.
    id = identifier("The budget.", of="budget.pk")
    scope = one_of("Whose spending it counts.", *Budget.Scope.choices, of="budget.scope")
    target_id = identifier(
        "The team, user or room; null: everyone.",
        of=lambda row: None if row.budget.target_id == ZERO_UUID else row.budget.target_id,
        allow_null=True,
    )
    target_name = text(
        "Name of the target; null: everyone, or the target was deleted.",
        of=lambda row: row.names.get(row.budget.target_id),
        allow_null=True,
    )
    applies = one_of("One limit in total, or one per member.", *Budget.Applies.choices, of="budget.applies")
    limit_usd = usd("The limit per period.", of="budget.limit_pico")
    period = one_of("UTC.", *Budget.Period.choices, of="budget.period")
    hard = flag(
        "Hard limit: blocks requests that could exceed it. Soft limit: alerts only.", of="budget.hard"
    )
    thresholds = values(
        "Alert at these percentages, once per period.", serializers.IntegerField(), of="budget.thresholds"
    )
    created_at = moment("When it was created.", of="budget.created_at")


class BudgetShape(BudgetFieldsShape):
    # Rendered from a `StaffBudget`.
    current = part(
        "The current period; of a per-member budget, that of the member who has used most.",
        CurrentShape,
        of=lambda row: row,
    )


class OwnBudgetShape(BudgetFieldsShape, AmountsShape):
    # Rendered from an `OwnBudget`.
    starts_at = moment("When the period began.", of="fill.starts_at")
    resets_at = moment("When the next one begins.", of="fill.resets_at")
