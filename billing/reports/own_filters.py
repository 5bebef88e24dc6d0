"""Filters of a user's own usage: they tell nothing about other users, or about models that the user cannot see."""

from __future__ import annotations

import uuid
from collections.abc import Mapping

from accounts.models import User
from billing.days import invalid_parameter
from billing.models import UsageEvent
from billing.reports.filters import Filters
from orchestration.models import LlmModel, Provider


def without_others(parameters: Mapping[str, str]) -> dict[str, str]:
    """Return the parameters without filters on users and teams, whose names must not even be looked up."""
    return {name: value for name, value in parameters.items() if name not in ("user", "team")}


def refuse_others(parameters: Mapping[str, str], user: User) -> None:
    """Raise `invalid_parameter` for filters on anybody else."""
    asked = parameters.get("user", "").strip()
    if asked and asked.lower() not in (str(user.pk), user.email.lower()):
        raise invalid_parameter("user", "This is your own usage: remove the user parameter.")
    if parameters.get("team", "").strip():
        raise invalid_parameter("team", "This is your own usage: remove the team parameter.")


def refuse_unseen(filters: Filters, user: User) -> None:
    """Raise `invalid_parameter`, as for an unknown one, for a model or provider the user neither sees nor has used."""
    if filters.model is not None and not is_seen(LlmModel, filters.model, user):
        raise invalid_parameter("model", "model is invalid.")
    if filters.provider is not None and not is_seen(Provider, filters.provider, user):
        raise invalid_parameter("provider", "provider is invalid.")


def is_seen(kind: type[LlmModel | Provider], pk: uuid.UUID, user: User) -> bool:
    if kind.objects.filter(pk=pk, enabled=True).exists():
        return True
    used = {"model": pk} if kind is LlmModel else {"model__provider": pk}
    return UsageEvent.objects.filter(user_id=user.pk, **used).exists()
