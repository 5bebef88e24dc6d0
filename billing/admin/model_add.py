"""*Add model*: a model and its price in one form, filled in from a search, and saved in one transaction."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from django import forms
from django.contrib.admin.utils import flatten_fieldsets
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse

from accounts.access import asker
from accounts.admin.audited import actor_of
from accounts.pages.limits import throttle_page
from accounts.services.audit import audit_record, values_of
from billing.admin.model_search import facts_from, listed_tiers, model_search, provider_of
from billing.admin.rates import AS_INPUT, RateField
from billing.fields import MTOK, pico_to_usd
from billing.models.bucket_columns import RATES
from billing.services.price_check import doubt_about
from billing.services.price_source import data_source, listed_window, output_limit_for
from billing.services.prices import Rates, price_add
from orchestration.admin import LlmModelAdmin, LlmModelForm
from orchestration.models import LlmModel, Provider, alias_validator

SEARCHES_PER_MINUTE = 20


class NewModelForm(LlmModelForm):
    """A new model with its price. Without a price, its calls are recorded but excluded from costs."""

    input_pico = RateField(label="Input", required=False)
    cache_read_pico = RateField(label="Cache read", required=False, help_text=AS_INPUT)
    cache_write_5m_pico = RateField(label="Cache write, 5 minutes", required=False, help_text=AS_INPUT)
    cache_write_1h_pico = RateField(label="Cache write, 1 hour", required=False, help_text=AS_INPUT)
    output_pico = RateField(label="Output", required=False)
    is_confirmed = forms.BooleanField(
        label="Confirm an unusual price",
        required=False,
        help_text="Only needed if the price differs widely from the known one.",
    )

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        window, output = cleaned.get("context_window"), cleaned.get("max_output_tokens")
        if window and output and output >= window:
            self.add_error("max_output_tokens", "It must leave room for input in the context window.")
        if "input_pico" not in cleaned or "output_pico" not in cleaned:
            return cleaned
        is_priced = any(cleaned.get(name) is not None for name in RATES)
        missing = [name for name in ("input_pico", "output_pico") if cleaned[name] is None]
        if is_priced and missing:
            self.add_error(missing[0], "Enter both the input and the output price, or no price.")
        elif is_priced and cleaned.get("provider") and not cleaned.get("is_confirmed"):
            model = model_of(cleaned)
            if doubt := doubt_about(model, rates_of(cleaned)):
                sentence = f"{doubt} If this is right, select the box and save again."
                self.add_error("is_confirmed", sentence)
        return cleaned


def model_of(cleaned: Mapping[str, Any]) -> LlmModel:
    """Return the unsaved model that a form describes, to look it up in the data."""
    names = ("provider", "model_id", "served_as")
    return LlmModel(**{name: cleaned.get(name) or "" for name in names})


def rates_of(cleaned: Mapping[str, Any]) -> Rates:
    rates: dict[str, Any] = {name: cleaned.get(name) for name in RATES}
    return Rates(**rates)


def initial_of(provider: Provider, model_id: str, facts: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the data and its server know about a model, as the form's first values. `facts`: the server's."""
    model = LlmModel(provider=provider, model_id=model_id)
    initial: dict[str, Any] = {"provider": provider.pk, "model_id": model_id, "alias": alias_for(model_id)}
    if window := facts.get("context_window") or listed_window(model):
        initial |= {"context_window": window, "max_output_tokens": output_limit_for(window)}
    most = {
        name: min(facts[name], initial.get(name, facts[name]))
        for name in ("max_output_tokens",)
        if name in facts
    }
    initial |= {**facts, **most}
    if rates := listed_tiers(model).get(0):
        initial |= {name: price_text(pico) for name, pico in rates.five().items()}
    return initial


def price_text(pico: int) -> str:
    """Return a rate as the form takes it."""
    usd: Decimal = pico_to_usd(pico * MTOK)
    return f"{usd.normalize():f}"


def alias_for(model_id: str) -> str:
    """Return a free alias like the model's id, empty if there is none."""
    for alias in (model_id.rsplit("/", 1)[-1], model_id):
        try:
            alias_validator(alias)
        except ValidationError:
            continue
        if len(alias) <= 120 and not LlmModel.objects.filter(alias=alias).exists():
            return alias
    return ""


class ModelAdditionAdmin(LlmModelAdmin):
    """The form for a new model. Staff who may not add prices add it unpriced."""

    add_form_template = "admin/orchestration/llmmodel/add_form.html"

    def get_fieldsets(self, request: HttpRequest, obj: LlmModel | None = None) -> Any:
        if obj is not None:
            return super().get_fieldsets(request, obj)
        readonly = set(self.readonly_fields)
        model, limits, *others = (
            (title, {**options, "fields": [name for name in options["fields"] if name not in readonly]})
            for title, options in self.fieldsets
            if not readonly.issuperset(options["fields"])
        )
        price = (
            "Price, USD per 1M tokens",
            {
                "fields": (*RATES, "is_confirmed"),
                "description": "From the provider's price list. Without a price, calls are recorded but "
                "excluded from costs.",
            },
        )
        return [model, limits, *([price] if may_price(request) else []), *others]

    def get_form(
        self, request: HttpRequest, obj: LlmModel | None = None, change: bool = False, **kwargs: Any
    ) -> Any:
        if obj is None and may_price(request):
            kwargs["form"] = NewModelForm
            kwargs["fields"] = flatten_fieldsets(self.get_fieldsets(request, obj))
        return super().get_form(request, obj, change, **kwargs)

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        given: dict[str, Any] = dict(super().get_changeform_initial_data(request))
        provider, model_id = provider_of(request.GET), request.GET.get("model_id", "")[:200]
        if provider is None or not model_id:
            return given
        return {**given, **initial_of(provider, model_id, facts_from(request.GET))}

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        may_ask = request.user.has_perm("orchestration.change_provider")
        if may_ask and "q" in request.GET:
            reason = f"Models were searched {SEARCHES_PER_MINUTE} times just now."
            user = asker(request)
            throttle_page(user, "model-search", limit=SEARCHES_PER_MINUTE, window_s=60, reason=reason)
        context = {
            **(extra_context or {}),
            "search": model_search(request.GET, may_ask=may_ask),
            "title": "Add model",
        }
        return super().add_view(request, form_url, context)

    def save_model(self, request: HttpRequest, obj: LlmModel, form: Any, change: bool) -> None:
        """Save a model; a new one with its price, in Django's transaction of the whole form."""
        super().save_model(request, obj, form, change)
        cleaned = form.cleaned_data
        if change or cleaned.get("input_pico") is None:
            return
        rates = rates_of(cleaned)
        listed = listed_tiers(obj)
        is_listed = 0 in listed and listed[0].five() == rates.five()
        # Unchanged, the price comes with its tiers for long inputs.
        tiers = listed if is_listed else {0: rates}
        for first, of_tier in tiers.items():
            source = data_source() if is_listed else "administration"
            price = price_add(model=obj, rates=of_tier, source=source, min_input_tokens=first)
            audit_record(actor_id=actor_of(request), action="add", row=price, after=values_of(price))


def may_price(request: HttpRequest) -> bool:
    return request.user.has_perm("billing.add_modelprice")
