from billing.models.budgets import Budget, BudgetNotice, BudgetPeriod, Hold, HoldLine
from billing.models.ledger import (
    ZERO_UUID,
    AppendOnlyModel,
    AppendOnlyQuerySet,
    LedgerIsAppendOnly,
    ModelPrice,
    UsageEvent,
    UsageEventQuerySet,
)
from billing.models.rollups import DailyUsage, UsageTotal

__all__ = [
    "ZERO_UUID",
    "AppendOnlyModel",
    "AppendOnlyQuerySet",
    "Budget",
    "BudgetNotice",
    "BudgetPeriod",
    "DailyUsage",
    "Hold",
    "HoldLine",
    "LedgerIsAppendOnly",
    "ModelPrice",
    "UsageEvent",
    "UsageEventQuerySet",
    "UsageTotal",
]
