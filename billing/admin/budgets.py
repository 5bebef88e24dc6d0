"""Budgets in the administration. All writes go through the services and take effect at once."""

from __future__ import annotations

import uuid
from typing import Any, ClassVar

from django import forms
from django.contrib import admin
from django.contrib.admin.utils import unquote
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.utils.safestring import SafeString

from accounts.access import asker
from accounts.admin.audited import AuditedAdmin
from accounts.models import ApiToken, Team, User
from billing.admin.cells import money_cell
from billing.budget_scopes import SCOPES, TARGETED
from billing.days import utc_today
from billing.fields import MAX_USD, PicoUsdFormField
from billing.models import ZERO_UUID, Budget
from billing.models.budgets import default_thresholds, valid_thresholds
from billing.selectors.budgets import people_of, states_of, target_names
from billing.services.budget_changes import budget_check
from billing.services.budget_lock import lock_budgets_exclusive
from billing.services.budgets import budget_delete, budget_save
from billing.services.own_budgets import own_budget_check
from billing.texts.budget_text import BudgetLine, owner_text, staff_line
from billing.texts.money import money
from web.admin.links import AdminLink, LinkedAdmin, change_link, costs_link
from web.admin.selects import IdSelect, is_id
from web.errors import ValidationFailed

PEOPLE = ApiToken._meta.get_field("user")
"""Any foreign key to users: Django's autocomplete needs one, and budgets have none."""


class ThresholdsFormField(forms.CharField):
    """Percentages separated by commas, in any order."""

    def prepare_value(self, value: Any) -> Any:
        return ", ".join(map(str, value)) if isinstance(value, list) else value

    def clean(self, value: Any) -> list[int]:
        parts = [part.strip(" %") for part in (super().clean(value) or "").split(",")]
        if not all(part.isascii() and part.isdigit() and len(part) <= 4 for part in parts if part):
            raise forms.ValidationError("Enter whole percentages separated by commas, e.g. 50, 80, 100.")
        thresholds = sorted({int(part) for part in parts if part})
        valid_thresholds(thresholds)
        return thresholds

    def has_changed(self, initial: Any, data: Any) -> bool:
        return super().has_changed(self.prepare_value(initial), data)


class BudgetForm(forms.ModelForm):
    """A budget with its target chosen by name."""

    limit_pico = PicoUsdFormField(
        label="Limit in USD", max_digits=19, decimal_places=12, min_value=0, max_value=MAX_USD
    )
    team = forms.ModelChoiceField(queryset=Team.objects.all(), required=False)
    user = forms.ModelChoiceField(
        label="User",
        queryset=User.objects.all(),
        required=False,
        widget=IdSelect(PEOPLE, admin.site),
    )
    room = forms.UUIDField(
        required=False,
        help_text="The room's ID. The room's admin page links here with it filled in.",
        widget=forms.TextInput(attrs={"size": 40, "spellcheck": "false"}),
    )
    thresholds = ThresholdsFormField(
        required=False,
        initial=default_thresholds,
        help_text=Budget._meta.get_field("thresholds").help_text,
    )

    class Meta:
        model = Budget
        fields = ("scope", "applies", "limit_pico", "period", "hard", "thresholds")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field = self.instance.scope
        if field in TARGETED and field in self.fields and self.instance.target_id != ZERO_UUID:
            self.initial.setdefault(field, self.instance.target_id)

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        scope = data.get("scope")
        for other in TARGETED:
            if scope and other != scope and data.get(other) is not None:
                self.add_error(other, f"Only for {other} budgets.")
        return data

    def _post_clean(self) -> None:
        """Set the target before Django validates the row."""
        scope = self.cleaned_data.get("scope")
        target = self.cleaned_data.get(scope) if scope in TARGETED else None
        self.instance.target_id = getattr(target, "pk", target) or ZERO_UUID
        super()._post_clean()  # type: ignore[misc]
        if self.errors:
            return
        try:
            budget_check(self.instance)
        except ValidationFailed as error:
            for name, sentences in error.details["fields"].items():
                place = scope if scope in TARGETED else "scope"
                self.add_error(place if name == "target_id" else name, sentences)

    def _get_validation_exclusions(self) -> set[str]:
        # `budget_check` covers these constraints, with readable messages.
        excluded: set[str] = super()._get_validation_exclusions()  # type: ignore[misc]
        return excluded | {"target_id", "scope", "applies"}


@admin.register(Budget)
class BudgetAdmin(LinkedAdmin, AuditedAdmin, admin.ModelAdmin):
    """Budgets apply to every message sent after they are saved."""

    form = BudgetForm
    list_display = ("owner", "limit", "period", "kind", "full", "created_at")
    list_filter = ("scope", "applies", "period", "hard")
    search_fields = ("target_id__exact",)
    search_help_text = "Part of a team name or email address, or a room ID."
    fieldsets = (
        ("Applies to", {"fields": ("scope", *TARGETED, "applies")}),
        ("Limit", {"fields": ("limit_pico", "period", "hard", "thresholds")}),
    )

    class Media:
        css: ClassVar = {"all": ["css/budgets.css"]}

    def links(self, row: Budget) -> list[AdminLink]:
        if row.scope not in TARGETED:
            return [costs_link()]
        return [
            change_link(row.get_scope_display(), SCOPES[row.scope].table, row.target_id),
            costs_link(**{row.scope: row.target_id}),
        ]

    def get_fieldsets(self, request: HttpRequest, obj: Budget | None = None) -> Any:
        """Add the current period, and show the budget read-only to staff who may not change it."""
        if obj is None:
            return self.fieldsets
        now = ("Current period", {"fields": ("owner", "full", "counts_from", "created_at")})
        if not self.has_change_permission(request, obj):
            return (now, ("Limit", {"fields": ("scope", "applies", "limit", "period", "hard", "thresholds")}))
        return (now, *self.fieldsets)

    def get_readonly_fields(self, request: HttpRequest, obj: Budget | None = None) -> tuple[str, ...]:
        return ("owner", "full", "limit", "counts_from", "created_at") if obj is not None else ()

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Budget], search_term: str
    ) -> tuple[QuerySet[Budget], bool]:
        """Find budgets by the id or the name of their target."""
        term = search_term.strip()
        if not term:
            return queryset, False
        targets: list[Any] = [
            *Team.objects.filter(name__icontains=term).values_list("pk", flat=True)[:1000],
            *User.objects.filter(email__icontains=term).values_list("pk", flat=True)[:1000],
        ]
        if is_id(term):
            targets.append(uuid.UUID(term))
        return queryset.filter(target_id__in=set(targets) - {ZERO_UUID}), False

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        named = self.with_name(request, object_id, extra_context)
        return super().change_view(request, object_id, form_url, named)

    def delete_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        return super().delete_view(request, object_id, self.with_name(request, object_id, extra_context))

    def history_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        return super().history_view(request, object_id, self.with_name(request, object_id, extra_context))

    def with_name(
        self, request: HttpRequest, object_id: str, context: dict[str, Any] | None
    ) -> dict[str, Any]:
        """Return the context of a budget's page with `row_name`: a row alone has only the id of its target."""
        budget = self.get_object(request, unquote(object_id))
        if budget is None:
            return context or {}
        name = target_names([budget]).get(budget.target_id, "")
        return {**(context or {}), "row_name": name_of(budget, name)}

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        changelist: Any = super().get_changelist_instance(request)
        changelist.result_list = with_lines(changelist.result_list)
        return changelist

    def save_model(self, request: HttpRequest, obj: Budget, form: Any, change: bool) -> None:
        lock_budgets_exclusive()
        own_budget_check(actor=asker(request), budget=obj)
        budget_save(budget=obj)

    def delete_model(self, request: HttpRequest, obj: Budget) -> None:
        lock_budgets_exclusive()
        own_budget_check(actor=asker(request), budget=obj, is_deleted=True)
        budget_delete(budget=obj)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Budget]) -> None:
        for budget in queryset:
            self.delete_model(request, budget)

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        """List only the budgets: their periods are deleted with them and may be thousands."""
        budgets = list(objs)
        lacking = set() if self.has_delete_permission(request) else {Budget._meta.verbose_name}
        names = target_names(budgets)
        titles = [name_of(budget, names.get(budget.target_id, "")) for budget in budgets]
        return titles, {Budget._meta.verbose_name_plural: len(budgets)}, lacking, []

    @admin.display(description="Applies to")
    def owner(self, budget: Budget) -> str:
        return line_of(budget).title

    @admin.display(description="Limit", ordering="limit_pico")
    def limit(self, budget: Budget) -> SafeString:
        return money_cell(budget.limit_pico)

    @admin.display(description="Type", ordering="hard")
    def kind(self, budget: Budget) -> str:
        return "Hard" if budget.hard else "Soft"

    @admin.display(description="Used")
    def full(self, budget: Budget) -> SafeString:
        return render_to_string("admin/billing/budget_fill.html", {"line": line_of(budget)})


def name_of(budget: Budget, target: str) -> str:
    """Return what a budget is called on its pages: by what it limits. `target`: the target's name."""
    limit, kind = money(budget.limit_pico).text, "hard" if budget.hard else "soft"
    return f"{owner_text(budget, target)}: {limit} per {budget.period} ({kind})"


def line_of(budget: Any) -> BudgetLine:
    """Return the budget's line; one-row pages compute it here, the list has set it for all rows."""
    if not hasattr(budget, "line"):
        with_lines([budget])
    line: BudgetLine = budget.line
    return line


def with_lines(budgets: Any) -> list[Budget]:
    """Set `line` on each budget; a fixed number of statements."""
    rows: list[Any] = list(budgets)
    states = states_of(rows, today=utc_today())
    names, people = target_names(rows), people_of(states)
    for row, state in zip(rows, states, strict=True):
        row.line = staff_line(state, names.get(row.target_id, ""), people)
    return rows
