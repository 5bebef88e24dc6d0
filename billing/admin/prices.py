"""Prices in the administration: rows are added, never changed or deleted. Rates in USD per 1M tokens."""

from __future__ import annotations

import datetime as dt
from typing import Any, ClassVar

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import path, reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from accounts.admin.audited import AuditedAdmin, actor_of
from accounts.services.audit import audit_record, values_of
from billing.admin.model_add import ModelAdditionAdmin
from billing.admin.prices_page import PricesPage
from billing.admin.rates import AS_INPUT, RateField
from billing.admin.reprice_page import RepricePage
from billing.models import ModelPrice
from billing.models.bucket_columns import RATES
from billing.pricing import price_for
from billing.selectors.prices import current_tiers
from billing.selectors.served_windows import ServedWindow, served_windows
from billing.services.price_check import doubt_about
from billing.services.prices import Rates, price_add, price_until
from billing.texts.money import rate_text
from orchestration.admin import LlmModelAdmin
from orchestration.engine.specs import BUCKETS
from orchestration.models import LlmModel
from web.admin.links import AdminLink, LinkedAdmin, changelist_link, costs_link
from web.admin.moments import MOMENTS
from web.admin.readonly import ReadOnlyAdmin
from web.dates import moment_text

RATE_COLUMNS = tuple(f"{bucket}_rate" for bucket in BUCKETS)


@admin.register(LlmModel)
class PricedModelAdmin(LinkedAdmin, ModelAdditionAdmin):
    """The catalogue's models with their current prices."""

    list_display = (*LlmModelAdmin.list_display[:4], "price", *LlmModelAdmin.list_display[4:])
    fieldsets: ClassVar[Any] = (
        *LlmModelAdmin.fieldsets[:1],
        ("Limits", {"fields": ("context_window", "max_output_tokens", "observed_window")}),
        ("Price", {"fields": ("price", "price_links")}),
        *LlmModelAdmin.fieldsets[2:],
    )
    readonly_fields = (*LlmModelAdmin.readonly_fields, "observed_window", "price", "price_links")

    def get_queryset(self, request: HttpRequest) -> QuerySet[LlmModel]:
        return super().get_queryset(request).prefetch_related("prices")

    def get_urls(self) -> list[Any]:
        page = self.admin_site.admin_view(RepricePage.as_view(admin_site=self.admin_site))
        own = path("<path:object_id>/reprice/", page, name="orchestration_llmmodel_reprice")
        return [own, *super().get_urls()]

    def links(self, row: LlmModel) -> list[AdminLink]:
        return [
            AdminLink(
                "Correct call costs",
                reverse("admin:orchestration_llmmodel_reprice", args=[row.pk]),
                "billing.add_modelprice",
            ),
            costs_link(model=row.pk),
            changelist_link("Calls (ledger)", "billing_usageevent", model__id__exact=row.pk),
            changelist_link("Price history", "billing_modelprice", model__id__exact=row.pk),
        ]

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        """Warn of models whose servers accept less than the catalogue says."""
        if request.method == "GET":
            found = served_windows()
            for model in LlmModel.objects.enabled().filter(pk__in=found):
                if sentence := window_sentence(model, found[model.pk]):
                    messages.warning(request, f"{model.alias}: {sentence}")
        return super().changelist_view(request, extra_context)

    @admin.display(description="Server's context window")
    def observed_window(self, model: LlmModel) -> str:
        found = None if model._state.adding else served_windows(model.pk).get(model.pk)
        return (found and window_sentence(model, found)) or "-"

    @admin.display(description="Per 1M tokens, in / out")
    def price(self, model: LlmModel) -> str:
        if model._state.adding:
            return "-"
        price = price_for(model.prices.all(), total_input=0, at=timezone.now())
        if price is None:
            return "unpriced"
        return f"${rate_text(price.input_pico)} / ${rate_text(price.output_pico)}"

    @admin.display(description="Prices")
    def price_links(self, model: LlmModel) -> SafeString | str:
        if model._state.adding:
            return "-"
        return format_html(
            '<a href="{}?model__id__exact={}">Price history</a> · <a href="{}?model={}">Add price</a>',
            reverse("admin:billing_modelprice_changelist"),
            model.pk,
            reverse("admin:billing_modelprice_add"),
            model.pk,
        )


def window_sentence(model: LlmModel, found: ServedWindow) -> str:
    """Return what is wrong with a model's context window, empty if the catalogue has been corrected since."""
    if found.tokens >= model.context_window:
        return ""
    day = f"{found.at:%b} {found.at.day}, {found.at.year}"
    if found.is_cut:
        return (
            f"On {day}, its server read {found.tokens:,} tokens of a longer input, without an error. Raise its context "
            "length (Ollama: OLLAMA_CONTEXT_LENGTH), or lower the context window to it."
        )
    return (
        f"On {day}, its server refused a request as too long: it takes {found.tokens:,} tokens. Lower the context "
        "window to that, or raise it at the server."
    )


class PriceForm(forms.ModelForm):
    """Rates in the unit of providers' price lists. A price far from the installed data needs a confirmation."""

    is_confirmed = forms.BooleanField(
        label="Confirm an unusual price",
        required=False,
        help_text="Only needed if the price differs widely from the known one.",
    )

    input_pico = RateField(label="Input")
    cache_read_pico = RateField(label="Cache read", required=False, help_text=AS_INPUT)
    cache_write_5m_pico = RateField(label="Cache write, 5 minutes", required=False, help_text=AS_INPUT)
    cache_write_1h_pico = RateField(label="Cache write, 1 hour", required=False, help_text=AS_INPUT)
    output_pico = RateField(label="Output")

    class Meta:
        model = ModelPrice
        fields = ("model", "effective_from", "min_input_tokens", "source", *RATES)

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        needed = ("model", "effective_from", "min_input_tokens", *RATES)
        if cleaned.get("is_confirmed") or any(name not in cleaned for name in needed):
            return cleaned
        doubt = doubt_about(
            cleaned["model"],
            Rates(**{name: cleaned[name] for name in RATES}),
            min_input_tokens=cleaned["min_input_tokens"],
            at=cleaned["effective_from"],
        )
        if doubt:
            self.add_error("is_confirmed", f"{doubt} If this is right, select the box and save again.")
        return cleaned


@admin.register(ModelPrice)
class ModelPriceAdmin(AuditedAdmin, ReadOnlyAdmin):
    """Insert-only: a new price is a new row, and billed calls keep theirs."""

    form = PriceForm
    formfield_overrides = MOMENTS
    list_display = ("model", "effective_from", "tier", *RATE_COLUMNS, "source", "verified")
    list_filter = ("model__provider", "model", "effective_from")
    list_select_related = ("model",)
    search_fields = ("model__alias", "source")
    search_ids = ("id", "model_id")
    readonly_fields = (*RATE_COLUMNS, "checked_at", "created_at")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return admin.ModelAdmin.has_add_permission(self, request)

    def get_urls(self) -> list[Any]:
        page = self.admin_site.admin_view(PricesPage.as_view(admin_site=self.admin_site))
        return [path("current/", page, name="billing_modelprice_current"), *super().get_urls()]

    def get_fieldsets(self, request: HttpRequest, obj: ModelPrice | None = None) -> Any:
        per_mtok = "USD per 1M tokens"
        if obj is None:
            return (
                (None, {"fields": ("model", "effective_from", "min_input_tokens", "source")}),
                (per_mtok, {"fields": (*RATES, "is_confirmed")}),
            )
        about = ("id", "model", "effective_from", "min_input_tokens", "source", "checked_at", "created_at")
        return ((None, {"fields": about}), (per_mtok, {"fields": RATE_COLUMNS}))

    def save_model(self, request: HttpRequest, obj: ModelPrice, form: Any, change: bool) -> None:
        former = current_tiers([obj.model])[obj.model.pk].get(obj.min_input_tokens)
        request.former_rates = {} if former is None else {name: getattr(former, name) for name in RATES}  # type: ignore[attr-defined]
        price = price_add(
            model=obj.model,
            rates=Rates(**{name: form.cleaned_data[name] for name in RATES}),
            source=obj.source,
            min_input_tokens=obj.min_input_tokens,
            effective_from=obj.effective_from,
        )
        obj.pk = price.pk
        if until := price_until(price):
            messages.warning(
                request,
                f"This price applies only until {moment_text(until)}, when a later price begins. "
                "To replace that one, add a price with the same moment.",
            )

    def log_addition(self, request: HttpRequest, obj: ModelPrice, message: Any) -> Any:
        """Record the rates of the former price too, so that the log can say what changed."""
        rates = getattr(request, "former_rates", {})
        audit_record(actor_id=actor_of(request), action="add", row=obj, before=rates, after=values_of(obj))
        return admin.ModelAdmin.log_addition(self, request, obj, message)

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        return {"source": "administration", **super().get_changeform_initial_data(request)}

    @admin.display(description="Tier (input ≥)", ordering="min_input_tokens")
    def tier(self, price: ModelPrice) -> str:
        return f"{price.min_input_tokens:,}" if price.min_input_tokens else "-"

    @admin.display(description="Last verified", ordering="checked_at")
    def verified(self, price: ModelPrice) -> dt.date:
        return price.checked_at.date()

    @admin.display(description="Input")
    def input_rate(self, price: ModelPrice) -> str | None:
        return rate_text(price.input_pico)

    @admin.display(description="Cache read")
    def cache_read_rate(self, price: ModelPrice) -> str | None:
        return rate_text(price.cache_read_pico)

    @admin.display(description="Cache write, 5 minutes")
    def cache_write_5m_rate(self, price: ModelPrice) -> str | None:
        return rate_text(price.cache_write_5m_pico)

    @admin.display(description="Cache write, 1 hour")
    def cache_write_1h_rate(self, price: ModelPrice) -> str | None:
        return rate_text(price.cache_write_1h_pico)

    @admin.display(description="Output")
    def output_rate(self, price: ModelPrice) -> str | None:
        return rate_text(price.output_pico)
