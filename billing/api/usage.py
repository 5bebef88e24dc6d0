"""API: a person's own usage, and all usage for staff. Same figures as on the pages."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from django.http import StreamingHttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema_view
from rest_framework import serializers
from rest_framework.generics import ListAPIView
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.access import signed_in
from accounts.api.base import AdminApiView, ApiView
from billing.api.shapes import FILTERS, GROUP, RANGE, UsageEventShape, UsageSummaryShape
from billing.days import invalid_parameter, utc_today
from billing.fields import usd_text
from billing.models import ZERO_UUID, UsageEvent
from billing.reports.export import events_csv
from billing.reports.filters import key_text
from billing.reports.query import ReportQuery, parse_query
from billing.reports.report import summary
from billing.reports.tables import sums_json
from web.api.schema import operation
from web.rfc3339 import rfc3339

PERMISSION = "billing.view_usageevent"
OWN_FILTERS = [parameter for parameter in FILTERS if parameter.name not in ("team", "user")]


class AdminUsageView(AdminApiView):
    staff_permissions = {"GET": PERMISSION}
    refusal = "Only staff who may see the ledger may do this."


class AdminUsageSummaryView(AdminUsageView):
    """`from` and `to` (UTC days, inclusive; default: the last 30 days) or `range`; `group_by` (day); filters."""

    @operation("Summarize all usage", parameters=[*RANGE, GROUP, *FILTERS], answers=UsageSummaryShape)
    def get(self, request: Request) -> Response:
        return Response(summary_json(parse_query(request.query_params, today=utc_today(), group="day")))


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
        return Response(summary_json(parse_own_query(request)))


class UsageEventSerializer(serializers.BaseSerializer[UsageEvent]):
    def to_representation(self, event: UsageEvent) -> dict[str, Any]:
        usage = event.usage
        return {
            "id": str(event.pk),
            "corrects": event.corrects_id and str(event.corrects_id),
            "turn_id": str(event.turn_id),
            "session_id": str(event.session_id),
            "room_id": None if event.room_id == ZERO_UUID else str(event.room_id),
            "room_name": event.room_name or None,
            "agent_id": None if event.agent_id == ZERO_UUID else str(event.agent_id),
            "agent_key": event.agent_key or None,
            "mode": event.mode,
            "purpose": event.purpose,
            "round": event.round,
            "attempt": event.attempt,
            "provider": event.provider,
            "model": event.model.alias,
            "status": event.status,
            "usage": {
                "input_tokens": usage.total_input,
                "cached_tokens": usage.cache_read,
                "cache_write_tokens": usage.cache_write,
                "output_tokens": usage.output,
                "reasoning_tokens": usage.reasoning,
                "estimated": event.source == UsageEvent.Source.ESTIMATED,
            },
            "cost_usd": usd_text(event.cost_pico),
            "created_at": rfc3339(event.created_at),
        }


@extend_schema_view(get=operation("List my calls as billed", answers=UsageEventShape(many=True)))
class UsageApiView(ApiView, ListAPIView[UsageEvent]):
    """The user's own calls as billed, newest first."""

    serializer_class = UsageEventSerializer

    def get_queryset(self) -> Any:
        user = signed_in(self.request)
        return UsageEvent.objects.filter(user_id=user.pk).select_related("model")


def parse_own_query(request: Request) -> ReportQuery:
    """Parse the query of a user's own report. Raises `invalid_parameter` for filters on others."""
    user = signed_in(request)
    query = parse_query(request.query_params, today=utc_today(), group="day")
    if query.filters.user not in (None, user.pk):
        raise invalid_parameter("user", "These are your own figures: leave out user.")
    if query.filters.team is not None:
        raise invalid_parameter("team", "These are your own figures: leave out team.")
    return replace(query, filters=query.filters.having("user", user.pk))


def summary_json(query: ReportQuery) -> dict[str, Any]:
    """Return totals and rows of a range, the totals of the range before, and the projected month."""
    report = summary(query.days, query.filters, query.group, today=utc_today())
    before, projection = query.days.before(), report.projection
    return {
        "from": str(query.days.first),
        "to": str(query.days.last),
        "group_by": query.group,
        "filters": query.filters.query(),
        "totals": sums_json(report.totals),
        "rows": [
            {"key": key_text(row.key), "label": row.label, **sums_json(row.sums)} for row in report.table.rows
        ],
        "before": {"from": str(before.first), "to": str(before.last), "totals": sums_json(report.before)},
        "projected_month": {
            "from": str(projection.month.first),
            "to": str(projection.month.last),
            "cost_so_far_usd": usd_text(projection.cost_pico),
            "days_so_far": projection.so_far.length,
            "days": projection.month.length,
            "projected_cost_usd": usd_text(projection.projected_pico),
        },
    }
