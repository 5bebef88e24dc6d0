"""Look up rows by ids from outside. Callers have checked that the user is staff with the permission."""

from __future__ import annotations

from accounts.access import parse_id
from billing.models import Budget
from orchestration.models import LlmModel
from web.errors import NotFound


def access_budget(budget_id: str) -> Budget:
    """Return a budget. Raises NotFound."""
    budget: Budget | None = Budget.objects.filter(pk=parse_id(budget_id)).first()
    if budget is None:
        raise NotFound()
    return budget


def access_model(model_id: str) -> LlmModel:
    """Return a model of the catalogue. Raises NotFound."""
    model = LlmModel.objects.filter(pk=parse_id(model_id)).first()
    if model is None:
        raise NotFound()
    return model
