"""The shapes of budgets in the API's description."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from billing.models import Budget
from web.api.shapes import count, flag, identifier, moment, text, usd


class AmountsShape(serializers.Serializer[Any]):
    spent_usd = usd("What was spent in the period.")
    held_usd = usd("What running turns have set aside.")
    available_usd = usd("The limit less what was spent and is held, 0 at least.")
    percent = serializers.FloatField(help_text="What was spent, of the limit; one decimal, rounded down.")


class FullestShape(AmountsShape):
    user_id = identifier("The member.")
    email = text("The member's e-mail address.")


class CurrentShape(AmountsShape):
    start = serializers.DateField(help_text="The period's first UTC day.")
    resets_at = moment("When the next period begins.")
    members = count("For each member: how many have spent in the period.", required=False)
    fullest = FullestShape(many=True, required=False, help_text="For each member: the fullest first.")


class AboutBudgetShape(serializers.Serializer[Any]):
    id = identifier("The budget.")
    scope = serializers.ChoiceField(choices=Budget.Scope.choices, help_text="Whose spending it counts.")
    target_id = identifier("The team, user or room; null: everyone.", allow_null=True)
    target_name = text("Its name; null: everyone, or it is gone.", allow_null=True)
    applies = serializers.ChoiceField(
        choices=Budget.Applies.choices, help_text="One limit for all of it, or for each member."
    )
    limit_usd = usd("The limit of a period.")
    period = serializers.ChoiceField(choices=Budget.Period.choices, help_text="UTC.")
    hard = flag("What does not fit is refused; else people are told, and nothing is refused.")
    thresholds = serializers.ListField(
        child=serializers.IntegerField(), help_text="Percentages at which people are told, once in a period."
    )
    created_at = moment("When it was made.")


class BudgetShape(AboutBudgetShape):
    current = CurrentShape(help_text="The period that runs; for each member, the fullest one's.")


class OwnBudgetShape(AmountsShape, AboutBudgetShape):
    starts_at = moment("When the period began.")
    resets_at = moment("When the next one begins.")
