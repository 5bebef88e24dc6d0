"""Budget writes by staff: check, save and audit in one transaction."""

from __future__ import annotations

import uuid
from typing import Any

from django.db import transaction

from accounts.models import User
from accounts.services.audit import audit_record, values_of
from billing.budget_scopes import SCOPES, TARGETED
from billing.models import ZERO_UUID, Budget
from billing.ports import known_rooms
from billing.services.budget_lock import lock_budgets_exclusive
from billing.services.budgets import budget_delete, budget_save
from billing.services.own_budgets import own_budget_check
from web.errors import NotFound, ValidationFailed


def budget_check(budget: Budget) -> None:
    """Reject a budget whose target does not exist. Raises ValidationFailed."""
    errors: dict[str, list[str]] = {}
    if budget.scope not in TARGETED:
        if budget.target_id != ZERO_UUID:
            errors["target_id"] = ["A budget for everyone has no target."]
    elif budget.target_id == ZERO_UUID:
        errors["target_id"] = [f"Select a {budget.scope}."]
    elif not target_exists(budget.scope, budget.target_id):
        errors["target_id"] = [f"There is no such {budget.scope}."]
    if budget.scope == Budget.Scope.USER and budget.applies == Budget.Applies.EACH:
        errors["applies"] = ["A user has no members: choose total."]
    if errors:
        raise ValidationFailed(errors)


def target_exists(scope: str, target_id: uuid.UUID) -> bool:
    model = SCOPES[scope].model
    if model is None:
        return target_id in known_rooms().names([target_id])
    return bool(model.objects.filter(pk=target_id).exists())


@transaction.atomic(durable=True)
def budget_add(*, fields: dict[str, Any], actor: User) -> Budget:
    """Create a budget. Raises ValidationFailed, and `permission_denied` as `own_budget_check` does."""
    budget = Budget(**fields)
    budget_check(budget)
    own_budget_check(actor=actor, budget=budget)
    budget_save(budget=budget)
    audit_record(actor_id=actor.pk, action="add", row=budget, after=values_of(budget))
    return budget


@transaction.atomic(durable=True)
def budget_change(*, budget_id: uuid.UUID, fields: dict[str, Any], actor: User) -> Budget:
    """Change the given fields of a budget. Raises NotFound, ValidationFailed, and `permission_denied` as
    `own_budget_check` does.
    """
    budget = budget_lock(budget_id)
    before = values_of(budget)
    if fields.get("scope", budget.scope) != budget.scope:
        fields = {"target_id": ZERO_UUID, **fields}  # the old target belongs to another scope
    for name, value in fields.items():
        setattr(budget, name, value)
    if fields.keys() & {"scope", "target_id", "applies"}:
        budget_check(budget)
    own_budget_check(actor=actor, budget=budget)
    budget_save(budget=budget)
    audit_record(actor_id=actor.pk, action="change", row=budget, before=before, after=values_of(budget))
    return budget


@transaction.atomic(durable=True)
def budget_remove(*, budget_id: uuid.UUID, actor: User) -> None:
    """Delete a budget. Raises NotFound, and `permission_denied` as `own_budget_check` does."""
    budget = budget_lock(budget_id)
    own_budget_check(actor=actor, budget=budget, is_deleted=True)
    audit_record(actor_id=actor.pk, action="delete", row=budget, before=values_of(budget))
    budget_delete(budget=budget)


def budget_lock(budget_id: uuid.UUID) -> Budget:
    """Return a budget locked until the transaction ends. Raises NotFound."""
    lock_budgets_exclusive()
    budget = Budget.objects.filter(pk=budget_id).first()
    if budget is None:
        raise NotFound()
    return budget
