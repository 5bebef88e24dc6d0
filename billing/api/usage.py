"""API: a person's own usage, and all usage for staff. Same figures as on the pages."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from django.http import StreamingHttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema_view
from rest_framework.generics import ListAPIView
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.access import signed_in
from accounts.api.base import AdminApiView, ApiView
from billing.api.shapes import FILTERS, GROUP, RANGE, UsageEventShape, UsageSummaryShape
from billing.days import utc_today
from billing.models import UsageEvent
from billing.reports.export import events_csv
from billing.reports.own_filters import refuse_others, refuse_unseen, without_others
from billing.reports.query import ReportQuery, parse_query
from billing.reports.report import summary
from web.api.schema import operation

PERMISSION = "billing.view_usageevent"
OWN_FILTERS = [parameter for parameter in FILTERS if parameter.name not in ("team", "user")]


class AdminUsageView(AdminApiView):
    staff_permissions = {"GET": PERMISSION}
    refusal = "Only staff who may see the ledger may do this."


class AdminUsageSummaryView(AdminUsageView):
    """`from` and `to` (UTC days, inclusive; default: the last 30 days) or `range`; `group_by` (day); filters."""

    @operation("Summarize all usage", parameters=[*RANGE, GROUP, *FILTERS], answers=UsageSummaryShape)
    def get(self, request: Request) -> Response:
        return Response(summary_of(parse_query(request.query_params, today=utc_today(), group="day")))


class AdminUsageExportView(AdminUsageView):
    @operation(
        "Export usage events, streamed",
        parameters=[*RANGE, *FILTERS],
        answers={(200, "text/csv"): OpenApiTypes.STR},
    )
    def get(self, request: Request) -> StreamingHttpResponse:
        query = parse_query(request.query_params, today=utc_today())
        return events_csv(query.days, query.filters)


class UsageSummaryView(ApiView):
    """The summary of the user's own usage."""

    @operation("Summarize my usage", parameters=[*RANGE, GROUP, *OWN_FILTERS], answers=UsageSummaryShape)
    def get(self, request: Request) -> Response:
        return Response(summary_of(parse_own_query(request)))


@extend_schema_view(get=operation("List my calls with their costs", answers=UsageEventShape(many=True)))
class UsageApiView(ApiView, ListAPIView[UsageEvent]):
    """The user's own calls as billed, newest first."""

    serializer_class = UsageEventShape

    def get_queryset(self) -> Any:
        user = signed_in(self.request)
        return UsageEvent.objects.filter(user_id=user.pk).select_related("model")


def parse_own_query(request: Request) -> ReportQuery:
    """Parse the query of a user's own report. Raises `invalid_parameter` for filters on others, or unseen models."""
    user = signed_in(request)
    refuse_others(request.query_params, user)
    query = parse_query(without_others(request.query_params.dict()), today=utc_today(), group="day")
    refuse_unseen(query.filters, user)
    return replace(query, filters=query.filters.having("user", user.pk))


def summary_of(query: ReportQuery) -> Any:
    """Return totals and rows of a range, the totals of the range before, and the projected month."""
    report = summary(query.days, query.filters, query.group, today=utc_today())
    return UsageSummaryShape.render(report)
