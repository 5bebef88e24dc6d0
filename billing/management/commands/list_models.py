"""`list_models PROVIDER`: list the models of a provider's server, with what the installed data know about them."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from billing.management.commands.add_model import price_text
from billing.services.price_source import NotListed, data_source, listed_price, listed_window
from orchestration.gateway.listings import ListedModel
from orchestration.models import LlmModel, Provider
from orchestration.probing import NotListable, provider_models

MOST = 1_000
"""Models shown: brokers list some hundreds."""


class Command(BaseCommand):
    help = "List the models that a provider's server offers. Nothing is generated or billed."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("provider", help="name of the provider")

    def handle(self, *args: Any, **options: Any) -> None:
        provider = Provider.objects.filter(name=options["provider"]).first()
        if provider is None:
            names = ", ".join(Provider.objects.values_list("name", flat=True))
            raise CommandError(f"Unknown provider {options['provider']}. Providers: {names}.")
        try:
            models = provider_models(provider)
        except NotListable as error:
            raise CommandError(str(error)) from error
        aliases = dict(provider.llm_models.values_list("model_id", "alias"))
        for model_id in sorted(models)[:MOST]:
            alias = f", in the catalogue as {aliases[model_id]}" if model_id in aliases else ""
            # A server's texts may hold control characters, which a terminal would obey.
            name = "".join(char if char.isprintable() else "?" for char in model_id)
            facts = facts_about(LlmModel(provider=provider, model_id=model_id), models[model_id])
            self.stdout.write(f"{name}: {facts}{alias}")
        if len(models) > MOST:
            self.stdout.write(f"and {len(models) - MOST:,} more.")
        self.stdout.write(f"Next: bin/manage add_model ALIAS --provider {provider.name} --model-id ID ...")


def facts_about(model: LlmModel, listed: ListedModel) -> str:
    """Return a model's context window, of its server or the data, and its price in the data."""
    try:
        price = price_text(listed_price(model, at=timezone.now()).tiers, data_source())
    except NotListed:
        price = "no price known"
    window = listed.context_window or listed_window(model)
    return f"{'unknown context window' if window is None else f'context window {window:,}'}, {price}"
