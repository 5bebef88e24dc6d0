"""What *Costs* says beside the total: how much is for unknown output, and where providers' own figures differ."""

from __future__ import annotations

from dataclasses import dataclass

from django.db.models import Sum

from billing.models import UsageEvent
from billing.pricing import COST_DIFFERS
from billing.reports.events import LOOKUPS
from billing.reports.query import ReportQuery
from billing.reports.sums import scope_of, totals
from billing.selectors.unseen import OUTPUT_UNKNOWN
from billing.texts.money import Money, money


@dataclass(frozen=True, slots=True)
class NotableCosts:
    """The cost of calls with a flag; empty if the report is filtered by flag."""

    calls: int
    cost: Money
    url: str
    """The query string of the report on these calls alone."""
    provider_cost: Money | None = None
    """The sum of the providers' own figures."""


def notable_costs(query: ReportQuery) -> dict[str, NotableCosts]:
    """Return the costs of calls whose output is unknown, and whose provider has another figure; omit what is zero.

    Two statements, which read flagged calls only.
    """
    if query.filters.flag is not None:
        return {}
    scopes = [scope_of(query.days, query.filters.having("flag", kind)) for kind in KINDS.values()]
    sums = dict(zip(KINDS, totals(scopes), strict=True))
    own = provider_cost_pico(query) if sums["cost_differs"].calls else None
    return {
        name: NotableCosts(
            each.calls,
            money(each.priced_cost_pico),
            f"?{query.query(flag=KINDS[name])}",
            None if name != "cost_differs" else money(own),
        )
        for name, each in sums.items()
        if each.calls
    }


KINDS = {"output_unknown": OUTPUT_UNKNOWN, "cost_differs": COST_DIFFERS}
"""Name in the template -> kind of flag."""


def provider_cost_pico(query: ReportQuery) -> int | None:
    """Return the sum of the providers' own figures of the calls where they differ from ours."""
    lookups = {LOOKUPS[name]: value for name, value in query.filters.active().items()}
    days = {"created_at__gte": query.days.begin, "created_at__lt": query.days.end}
    differing = UsageEvent.objects.filter(**days, **lookups).flagged(COST_DIFFERS)
    total: int | None = differing.aggregate(total=Sum("provider_cost_pico"))["total"]
    return total
