"""Schemas of budgets in the API description."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from billing.models import Budget
from web.api.shapes import count, flag, identifier, moment, text, usd


class AmountsShape(serializers.Serializer[Any]):
    spent_usd = usd("Amount spent in the period.")
    held_usd = usd("Amount held by running turns.")
    available_usd = usd("The limit minus spent and held amounts, at least 0.")
    percent = serializers.FloatField(
        help_text="Spent amount in percent of the limit, rounded down to one decimal."
    )


class FullestShape(AmountsShape):
    user_id = identifier("The member.")
    email = text("The member's email address.")


class CurrentShape(AmountsShape):
    start = serializers.DateField(help_text="The period's first UTC day.")
    resets_at = moment("When the next period begins.")
    members = count("Per-member budgets: number of members with spending in the period.", required=False)
    fullest = FullestShape(many=True, required=False, help_text="Per-member budgets: the fullest members.")


class BudgetFieldsShape(serializers.Serializer[Any]):
    id = identifier("The budget.")
    scope = serializers.ChoiceField(choices=Budget.Scope.choices, help_text="Whose spending it counts.")
    target_id = identifier("The team, user or room; null: everyone.", allow_null=True)
    target_name = text("Name of the target; null: everyone, or the target was deleted.", allow_null=True)
    applies = serializers.ChoiceField(
        choices=Budget.Applies.choices, help_text="One limit in total, or one per member."
    )
    limit_usd = usd("The limit per period.")
    period = serializers.ChoiceField(choices=Budget.Period.choices, help_text="UTC.")
    hard = flag("Hard limit: blocks requests that could exceed it. Soft limit: alerts only.")
    thresholds = serializers.ListField(
        child=serializers.IntegerField(), help_text="Alert at these percentages, once per period."
    )
    created_at = moment("When it was created.")


class BudgetShape(BudgetFieldsShape):
    current = CurrentShape(help_text="The current period; of a per-member budget, the fullest member's.")


class OwnBudgetShape(AmountsShape, BudgetFieldsShape):
    starts_at = moment("When the period began.")
    resets_at = moment("When the next one begins.")
