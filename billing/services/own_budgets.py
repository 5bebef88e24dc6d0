"""Staff do not loosen the limits of their own spending; superusers and other staff do it for them."""

from __future__ import annotations

from accounts.models import User
from billing.models import Budget
from billing.ports import known_rooms
from billing.services.budgets import COUNTING_FIELDS
from web.errors import PantheonError


def own_budget_check(*, actor: User, budget: Budget, is_deleted: bool = False) -> None:
    """Reject a write that loosens a limit of the actor's own.

    That is a budget of them, their team or a room of theirs, or a per-member budget of everyone that no budget of their
    own overrides. The total budget of everyone is not theirs alone: all staff who may change budgets set it.

    `budget`: the row as it is to be saved. A new budget of the actor alone counts as looser, because it overrides
    per-member budgets. Call it with the budgets locked, or another write could come in between. Raises
    `permission_denied`.
    """
    if actor.is_superuser:
        return
    old = Budget.objects.filter(pk=budget.pk).first()
    is_moved = old is None or any(getattr(old, name) != getattr(budget, name) for name in COUNTING_FIELDS)
    loosens = old is not None and limits(old, actor) and (is_deleted or is_moved or is_looser(budget, old))
    overrides = is_moved and not is_deleted and is_personal(budget, actor)
    if loosens or overrides:
        raise PantheonError(
            "permission_denied",
            "You can't loosen limits on your own spending. Ask an administrator, or staff to whom this budget "
            "does not apply.",
        )


def is_looser(budget: Budget, old: Budget) -> bool:
    return budget.limit_pico > old.limit_pico or (old.hard and not budget.hard)


def is_personal(budget: Budget, user: User) -> bool:
    return budget.scope == Budget.Scope.USER and budget.target_id == user.pk


def limits(budget: Budget, user: User) -> bool:
    """Return whether a budget is this user's, their team's or of a room of theirs, or is per member and binds them."""
    match budget.scope:
        case Budget.Scope.EVERYONE:
            own = Budget.objects.filter(scope=Budget.Scope.USER, target_id=user.pk, period=budget.period)
            return budget.applies == Budget.Applies.EACH and not own.exists()
        case Budget.Scope.TEAM:
            return budget.target_id == user.team_id
        case Budget.Scope.ROOM:
            return known_rooms().owned_by(user.pk).filter(pk=budget.target_id).exists()
        case _:
            return is_personal(budget, user)
