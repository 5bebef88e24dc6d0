"""Reads about many users at once, from the rollups: what each spent, and when each was last active."""

from __future__ import annotations

import datetime as dt

from django.db.models import BigIntegerField, DateTimeField, Max, OuterRef, QuerySet, Subquery, Sum, Value
from django.db.models.functions import Cast, Coalesce, Greatest

from accounts.models import ApiToken, User
from billing.days import DayRange
from billing.models import DailyUsage, UsageTotal

NEVER = Value(dt.datetime(1970, 1, 1, tzinfo=dt.UTC), output_field=DateTimeField())
SEEN_AT = Greatest(
    Coalesce("last_login", NEVER),
    Coalesce("token_used_at", NEVER),
    Coalesce(Cast("last_usage_on", DateTimeField()), NEVER),
)
"""The order of `last_seen`, over the annotations of `with_activity`."""


def with_spend(users: QuerySet[User], days: DayRange) -> QuerySet[User]:
    """Annotate `spent_pico`, the cost of each user's calls in a range of days."""
    of_user = UsageTotal.objects.filter(
        cut="user", user_id=OuterRef("pk"), day__gte=days.first, day__lte=days.last
    )
    spent = of_user.order_by().values("user_id").annotate(spent=Sum("cost_pico")).values("spent")
    whole = BigIntegerField()
    return users.annotate(
        spent_pico=Coalesce(Subquery(spent, output_field=whole), Value(0), output_field=whole)
    )


def with_activity(users: QuerySet[User]) -> QuerySet[User]:
    """Annotate `last_usage_on` (UTC day of the last call) and `token_used_at`, read by index for each row shown."""
    days = DailyUsage.objects.filter(user_id=OuterRef("pk")).order_by("-day").values("day")[:1]
    tokens = ApiToken.objects.filter(user=OuterRef("pk")).order_by().values("user")
    return users.annotate(
        last_usage_on=Subquery(days),
        token_used_at=Subquery(tokens.annotate(newest=Max("last_used_at")).values("newest")),
    )


def last_seen(
    *, last_login: dt.datetime | None, token_used_at: dt.datetime | None, last_usage_on: dt.date | None
) -> dt.datetime | dt.date | None:
    """Return when a user was last seen: a moment, or only the day if the last sign was a call."""
    moments = [moment for moment in (last_login, token_used_at) if moment is not None]
    newest = max(moments, default=None)
    if last_usage_on is not None and (newest is None or newest.date() < last_usage_on):
        return last_usage_on
    return newest
