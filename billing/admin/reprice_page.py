"""*Correct call costs*: price a model's calls again, after a preview."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.admin import AdminSite
from django.core.exceptions import PermissionDenied
from django.core.validators import MaxValueValidator, MinValueValidator
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views import View

from accounts.admin.audited import actor_of
from billing.access import access_model
from billing.admin.cells import exact_usd
from billing.days import NEWEST, OLDEST, DayRange
from billing.services.reprice import RepricedModel, RepricePeriod, model_events_correct, reprice_preview
from orchestration.models import LlmModel
from web.errors import NotFound

MAX_CALLS = 5_000
"""Calls that one request corrects within a few seconds; for more there is the command."""
PERMISSIONS = ("billing.view_usageevent", "billing.add_modelprice")


class DayField(forms.DateField):
    """A day that date arithmetic can handle: others are typing errors."""

    widget = forms.DateInput(attrs={"type": "date"})

    def __init__(self, **options: Any) -> None:
        super().__init__(validators=[MinValueValidator(OLDEST), MaxValueValidator(NEWEST)], **options)


class CorrectionForm(forms.Form):
    first = DayField(label="First day")
    last = DayField(label="Last day")
    reason = forms.CharField(label="Reason", max_length=200, help_text="Recorded in the audit log.")

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        if "first" in cleaned and "last" in cleaned and cleaned["first"] > cleaned["last"]:
            self.add_error("last", "The last day is before the first.")
        return cleaned

    def period(self) -> RepricePeriod:
        """Return the calls of the UTC days."""
        days = DayRange(self.cleaned_data["first"], self.cleaned_data["last"])
        return RepricePeriod(start=days.begin, end=days.end, with_priced=True)


class RepricePage(View):
    """For staff who may see the ledger and add prices. `admin_view` handles signing in."""

    admin_site: AdminSite | None = None

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        if not request.user.has_perms(PERMISSIONS):
            raise PermissionDenied
        return super().dispatch(request, *args, **kwargs)

    def get(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return self.page(request, model_of(object_id), CorrectionForm())

    def post(self, request: HttpRequest, object_id: str) -> HttpResponse:
        model = model_of(object_id)
        form = CorrectionForm(request.POST)
        if not form.is_valid():
            return self.page(request, model, form)
        period = form.period()
        outcome = reprice_preview(model=model, period=period, limit=MAX_CALLS)
        if outcome is None:
            form.add_error(None, too_many(model, form))
        if outcome is None or "confirmed" not in request.POST:
            return self.page(request, model, form, outcome)
        done = model_events_correct(
            model=model,
            start=period.start,
            end=period.end,
            reason=form.cleaned_data["reason"],
            actor_id=actor_of(request),
        )
        messages.success(request, f"{sentence_of(done)} The audit log has the reason.")
        return redirect(reverse("admin:orchestration_llmmodel_change", args=[model.pk]))

    def page(
        self,
        request: HttpRequest,
        model: LlmModel,
        form: CorrectionForm,
        outcome: RepricedModel | None = None,
    ) -> HttpResponse:
        assert self.admin_site is not None
        context = {
            **self.admin_site.each_context(request),
            "title": f"Correct call costs of {model.alias}",
            "model": model,
            "form": form,
            "preview": None if outcome is None else sentence_of(outcome),
            "changes": outcome is not None and bool(outcome.priced or outcome.corrected),
        }
        return render(request, "admin/billing/reprice.html", context)


def model_of(object_id: str) -> LlmModel:
    """Return the model of a page. Raises Http404, which Django's administration renders."""
    try:
        return access_model(object_id)
    except NotFound as error:
        raise Http404 from error


def sentence_of(outcome: RepricedModel) -> str:
    """Return what a correction changes, or has changed."""
    parts = [
        f"{outcome.corrected:,} calls corrected",
        f"{outcome.priced:,} unpriced calls priced",
        f"{exact_usd(outcome.cost_pico)} added to costs",
    ]
    if outcome.left:
        parts.append(f"{outcome.left:,} calls have no price in effect")
    return f"{', '.join(parts)}."


def too_many(model: LlmModel, form: CorrectionForm) -> str:
    first, last = form.cleaned_data["first"], form.cleaned_data["last"]
    return (
        f"There are more than {MAX_CALLS:,} calls. Choose fewer days, or run: bin/manage reprice --model {model.alias} "
        f"--from {first} --to {last} --reason …"
    )
