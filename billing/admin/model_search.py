"""Search for models to add: a provider's live list, and what the installed data know about them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any
from urllib.parse import urlencode

from django.http import QueryDict
from django.utils import timezone

from accounts.access import parse_id
from billing.services.price_source import NotListed, list_listed_ids, listed_price, listed_window
from billing.services.prices import Rates
from billing.texts.money import rate_text
from orchestration.engine.efforts import EFFORTS
from orchestration.gateway.listings import ListedModel
from orchestration.models import LlmModel, Provider
from orchestration.probing import NotListable, provider_models
from web.errors import NotFound

MAX_DIGITS = 9
SHOWN = 50
"""Models on the page: brokers list some hundreds."""


@dataclass(frozen=True, slots=True)
class FoundModel:
    """A model that can be added."""

    model_id: str
    window: int | None
    price: str
    """USD per 1M tokens in and out; empty: not known."""
    alias: str
    """Its alias, if the catalogue has it."""
    query: str
    """Of the page whose form is filled in."""


@dataclass(frozen=True, slots=True)
class ModelSearch:
    """A search, and what it found."""

    providers: Sequence[Provider]
    provider: Provider | None
    text: str
    found: Sequence[FoundModel] = ()
    more: int = 0
    problem: str = ""
    """Why the provider's own list is missing."""


def model_search(parameters: Mapping[str, str], *, may_ask: bool) -> ModelSearch:
    """Search the models of the chosen provider. `may_ask`: also its server, which is slow: up to ten seconds."""
    providers = [provider for provider in Provider.objects.filter(enabled=True) if not provider.is_demo]
    provider, text = provider_of(parameters), parameters.get("q", "").strip()[:200]
    if provider is None or "q" not in parameters:
        return ModelSearch(providers, provider, text)
    live: Mapping[str, ListedModel] = {}
    problem = ""
    if may_ask:
        try:
            live = provider_models(provider)
        except NotListable as error:
            problem = str(error)
    ids = {*list_listed_ids(provider), *live}
    words = text.lower().split()
    matching = sorted(each for each in ids if all(word in each.lower() for word in words))
    aliases = dict(provider.llm_models.values_list("model_id", "alias"))
    found = [
        found_model(provider, each, aliases.get(each, ""), live.get(each, ListedModel()))
        for each in matching[:SHOWN]
    ]
    return ModelSearch(providers, provider, text, found, max(0, len(matching) - SHOWN), problem)


def provider_of(parameters: Mapping[str, str]) -> Provider | None:
    """Return the provider that a query names by its id."""
    try:
        return Provider.objects.filter(enabled=True, pk=parse_id(parameters.get("provider", ""))).first()
    except NotFound:
        return None


def found_model(provider: Provider, model_id: str, alias: str, listed: ListedModel) -> FoundModel:
    model = LlmModel(provider=provider, model_id=model_id)
    rates = listed_tiers(model).get(0)
    price = "" if rates is None else f"${rate_text(rates.input_pico)} / ${rate_text(rates.output_pico)}"
    facts = {name: value for name, value in asdict(listed).items() if value is not None}
    query = urlencode({"provider": str(provider.pk), "model_id": model_id, **facts}, doseq=True)
    return FoundModel(model_id, listed.context_window or listed_window(model), price, alias, query)


def facts_from(parameters: QueryDict) -> dict[str, Any]:
    """Return what a server's list said about a found model, from the query of its page, as values of the form."""
    facts: dict[str, Any] = {
        name: parameters[name] == "True"
        for name in ("json_schema", "temperature", "vision")
        if name in parameters
    }
    for name in ("context_window", "max_output_tokens"):
        if (text := parameters.get(name, "")).isdecimal() and len(text) <= MAX_DIGITS:
            facts[name] = int(text)
    if efforts := [each for each in parameters.getlist("reasoning_efforts") if each in EFFORTS]:
        facts["reasoning_efforts"] = efforts
    return facts


def listed_tiers(model: LlmModel) -> Mapping[int, Rates]:
    """Return a model's price in the data by tier, empty if there is none."""
    try:
        return listed_price(model, at=timezone.now()).tiers
    except NotListed:
        return {}
