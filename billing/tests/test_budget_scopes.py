"""The table of scopes, and the texts made of it."""

from __future__ import annotations

import pytest
from django.contrib import admin

from billing.admin.budgets import BudgetForm
from billing.budget_scopes import SCOPES, TARGETED, owners_for_people
from billing.models import Budget
from billing.texts.budget_text import own_title, owner_text


def test_every_scope_has_its_row() -> None:
    assert list(SCOPES) == Budget.Scope.values
    tables = {f"{model._meta.app_label}_{model._meta.model_name}" for model in admin.site._registry}
    assert {SCOPES[scope].table for scope in TARGETED} <= tables
    assert set(TARGETED) <= BudgetForm.base_fields.keys()


def test_a_per_member_budget_is_called_the_users_own() -> None:
    owners = owners_for_people()
    assert owners["team"] == {"total": "your team's", "each": "your"}
    assert {scope: of["total"] for scope, of in owners.items()} == {
        scope: row.possessive for scope, row in SCOPES.items()
    }


@pytest.mark.parametrize(
    ("scope", "applies", "staff", "mine"),
    [
        ("everyone", "total", "Everyone", "Shared budget"),
        ("everyone", "each", "Everyone, each member", "Your budget"),
        ("team", "total", "Team {x}", "Budget of team {x}"),
        ("team", "each", "Team {x}, each member", "Your budget in team {x}"),
        ("user", "total", "{x}", "Your budget"),
        ("room", "total", "Room {x}", "Budget of room {x}"),
        ("room", "each", "Room {x}, each member", "Your budget in room {x}"),
    ],
)
def test_what_a_budget_is_called(scope: str, applies: str, staff: str, mine: str) -> None:
    budget, name = Budget(scope=scope, applies=applies), "" if scope == "everyone" else "{x}"
    assert (owner_text(budget, name), own_title(budget, name)) == (staff, mine)
