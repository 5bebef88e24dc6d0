from billing.models.budgets import Budget, BudgetNotice, BudgetPeriod, Hold, HoldLine
from billing.models.ledger import (
    ZERO_UUID,
    AppendOnlyModel,
    AppendOnlyQuerySet,
    DailyUsage,
    LedgerIsAppendOnly,
    ModelPrice,
    UsageEvent,
    UsageEventQuerySet,
)

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
]
