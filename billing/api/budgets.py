"""API: a person's own budgets, read-only, and all budgets for staff."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from drf_spectacular.utils import extend_schema_view
from rest_framework import serializers
from rest_framework.generics import ListAPIView
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.access import signed_in
from accounts.api.base import AdminApiView, ApiView
from billing.access import access_budget
from billing.api.budget_shapes import BudgetShape, OwnBudget, OwnBudgetShape, StaffBudget
from billing.days import utc_today
from billing.fields import MAX_USD, usd_to_pico
from billing.models import ZERO_UUID, Budget
from billing.models.budgets import MAX_THRESHOLDS
from billing.selectors.budgets import own_fills, people_of, states_of, target_names
from billing.services.budget_changes import budget_add, budget_change, budget_remove
from web.api.pagination import page_of_rows
from web.api.schema import PAGE, operation, page_of


class ThresholdsSerializerField(serializers.ListField):
    """Percentages in any order."""

    child = serializers.IntegerField(min_value=1, max_value=1000)

    def to_internal_value(self, data: Any) -> Any:
        return sorted(set(super().to_internal_value(data)))


class BudgetSerializer(serializers.Serializer[Budget]):
    """Fields of a budget; PATCH takes any subset."""

    scope = serializers.ChoiceField(choices=Budget.Scope.choices, help_text="Whose spending it counts.")
    target_id = serializers.UUIDField(
        allow_null=True, required=False, help_text="The team, user or room; omit for everyone."
    )
    applies = serializers.ChoiceField(
        choices=Budget.Applies.choices, required=False, help_text="Default: `total`."
    )
    # The digits of MAX_USD and 12 decimal places: the finest amount is one pico-USD.
    limit_usd = serializers.DecimalField(
        source="limit_pico",
        max_digits=19,
        decimal_places=12,
        min_value=Decimal(0),
        max_value=Decimal(MAX_USD),
        help_text="The limit per period, USD.",
    )
    period = serializers.ChoiceField(
        choices=Budget.Period.choices, required=False, help_text="UTC; default: `month`."
    )
    hard = serializers.BooleanField(
        required=False, help_text="Hard limit: blocks requests that could exceed it; default: true."
    )
    thresholds = ThresholdsSerializerField(
        required=False,
        max_length=MAX_THRESHOLDS,
        help_text="Alert at these percentages, once per period; default: 50, 80, 100.",
    )

    def validate_target_id(self, value: uuid.UUID | None) -> uuid.UUID:
        return value or ZERO_UUID

    def validate_limit_usd(self, value: Decimal) -> int:
        return usd_to_pico(value)


def validated_fields(request: Request, *, partial: bool = False) -> dict[str, Any]:
    serializer = BudgetSerializer(data=request.data, partial=partial)
    serializer.is_valid(raise_exception=True)
    return dict(serializer.validated_data)


class AdminBudgetView(AdminApiView):
    staff_permissions = {
        "GET": "billing.view_budget",
        "POST": "billing.add_budget",
        "PATCH": "billing.change_budget",
        "DELETE": "billing.delete_budget",
    }
    refusal = "Only staff who may manage budgets may do this."


@extend_schema_view(get=operation("List budgets", answers=BudgetShape(many=True)))
class AdminBudgetsView(AdminBudgetView, ListAPIView[Budget]):
    queryset = Budget.objects.all()
    serializer_class = BudgetSerializer

    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        page = self.paginate_queryset(self.get_queryset())
        assert page is not None
        return self.get_paginated_response(budgets_json(page))

    @operation("Create a budget", request=BudgetSerializer, answers={201: BudgetShape})
    def post(self, request: Request) -> Response:
        budget = budget_add(fields=validated_fields(request), actor=signed_in(request))
        return Response(budget_json(budget), status=201)


class AdminBudgetDetailView(AdminBudgetView):
    @operation("Read a budget", answers=BudgetShape)
    def get(self, request: Request, budget_id: str) -> Response:
        return Response(budget_json(access_budget(budget_id)))

    @operation("Change a budget", request=BudgetSerializer(partial=True), answers=BudgetShape)
    def patch(self, request: Request, budget_id: str) -> Response:
        wanted = access_budget(budget_id).pk
        fields = validated_fields(request, partial=True)
        return Response(budget_json(budget_change(budget_id=wanted, fields=fields, actor=signed_in(request))))

    @operation("Delete a budget", answers={204: None})
    def delete(self, request: Request, budget_id: str) -> Response:
        budget_remove(budget_id=access_budget(budget_id).pk, actor=signed_in(request))
        return Response(status=204)


class BudgetsView(ApiView):
    """The budgets that bind me, most used first."""

    @operation(
        "List the budgets that bind me", parameters=PAGE, answers=page_of("OwnBudgets", OwnBudgetShape)
    )
    def get(self, request: Request) -> Response:
        fills, links = page_of_rows(request, own_fills(signed_in(request), today=utc_today()))
        names = target_names(fill.budget for fill in fills)
        results = OwnBudgetShape.render_all(OwnBudget(fill, names) for fill in fills)
        return Response({**links, "results": results})


def budget_json(budget: Budget) -> dict[str, Any]:
    return budgets_json([budget])[0]


def budgets_json(budgets: Sequence[Budget]) -> list[dict[str, Any]]:
    """Return budgets for staff; a fixed number of statements."""
    states = states_of(budgets, today=utc_today())
    names = target_names(budgets)
    people = people_of(states)
    rows = [StaffBudget(state, names, people) for state in states]
    return [BudgetShape.render(row) for row in rows]
