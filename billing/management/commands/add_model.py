"""`add_model ALIAS --provider NAME --model-id ID ...`: add a model to the catalogue, optionally with its price."""

from __future__ import annotations

from argparse import ArgumentParser, ArgumentTypeError, BooleanOptionalAction
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from billing.management.additions import additions_audited
from billing.services.price_check import doubt_about
from billing.services.price_source import (
    MAX_OUTPUT,
    NotListed,
    data_source,
    listed_price,
    listed_window,
    output_limit_for,
)
from billing.services.prices import Rates, priced_model_add, rate_pico
from billing.texts.money import rate_text
from orchestration.engine.efforts import EFFORTS
from orchestration.gateway.listings import ListedModel
from orchestration.models import LlmModel, Provider
from orchestration.probing import NotListable, provider_models
from web.errors import ValidationFailed

PRICES = ("input", "output", "cache_read", "cache_write", "cache_write_1h")


def price(text: str) -> int:
    """Parse USD per million tokens to pico-USD per token. Raises ArgumentTypeError."""
    try:
        return rate_pico(Decimal(text))
    except InvalidOperation as error:
        raise ArgumentTypeError(f"{text!r} is not a number") from error
    except ValueError as error:
        raise ArgumentTypeError(f"{text}: {error}") from error


class Command(BaseCommand):
    help = (
        "Add a model to the catalogue. Its server is asked for its list, for what that says about the context window, "
        "limits and abilities. Context window and price default to the installed data (see list_models). "
        "Without a price, its calls are recorded but excluded from costs."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("alias", help="name of the model in Pantheon")
        parser.add_argument("--provider", required=True, help="name of the provider")
        parser.add_argument("--model-id", required=True, help="the provider's model ID")
        parser.add_argument(
            "--served-as",
            default="",
            metavar="NAME",
            help="what the provider calls the model in its answers, if not the model ID, as behind an Azure deployment",
        )
        parser.add_argument(
            "--context-window",
            type=int,
            metavar="N",
            help="maximum tokens per request, input and output; default: as its server or the installed data say",
        )
        parser.add_argument(
            "--max-output",
            type=int,
            metavar="N",
            help=f"maximum output tokens; default: a quarter of the context window, at most {MAX_OUTPUT:,}",
        )
        parser.add_argument(
            "--unpriced", action="store_true", help="add no price, although the installed data have one"
        )
        parser.add_argument(
            "--no-json-schema", action="store_true", help="the model does not support structured output"
        )
        parser.add_argument(
            "--no-temperature", action="store_true", help="the model does not accept a temperature"
        )
        parser.add_argument(
            "--vision",
            action=BooleanOptionalAction,
            default=None,
            help="whether the model takes images; default: as its server says, else no",
        )
        parser.add_argument(
            "--reasoning-efforts",
            nargs="+",
            default=[],
            choices=EFFORTS,
            metavar="EFFORT",
            help=f"reasoning efforts that the model offers, of {', '.join(EFFORTS)}; default: as its server says",
        )
        parser.add_argument(
            "--reasoning-effort",
            default="",
            choices=EFFORTS,
            metavar="EFFORT",
            help="effort where an agent sets none; default: none is sent",
        )
        parser.add_argument(
            "--yes", action="store_true", help="add the model even if its price is far from the known one"
        )
        for name in PRICES:
            option = f"--{name.replace('_', '-')}-usd-per-mtok"
            parser.add_argument(option, type=price, metavar="USD", dest=name, help=HELP[name])

    def handle(self, *args: Any, **options: Any) -> None:
        provider = Provider.objects.filter(name=options["provider"]).first()
        if provider is None:
            names = ", ".join(Provider.objects.values_list("name", flat=True))
            raise CommandError(f"Unknown provider {options['provider']}. Providers: {names}.")
        named = LlmModel(
            alias=options["alias"],
            provider=provider,
            model_id=options["model_id"],
            served_as=options["served_as"],
        )
        tiers, source = tiers_for(named, options)
        listed = listed_by_server(provider, options["model_id"])
        window = options["context_window"] or listed.context_window or listed_window(named)
        if window is None:
            sentence = "Neither its server nor the installed data have the context window of this model"
            raise CommandError(f"{sentence}: give its --context-window.")
        most_output = min(output_limit_for(window), listed.max_output_tokens or window)
        try:
            with additions_audited():
                model = priced_model_add(
                    alias=options["alias"],
                    provider=provider,
                    model_id=options["model_id"],
                    context_window=window,
                    max_output_tokens=options["max_output"] or most_output,
                    json_schema=not options["no_json_schema"] and listed.json_schema is not False,
                    temperature=not options["no_temperature"] and listed.temperature is not False,
                    vision=bool(listed.vision if options["vision"] is None else options["vision"]),
                    served_as=options["served_as"],
                    reasoning_efforts=options["reasoning_efforts"] or listed.reasoning_efforts or (),
                    reasoning_effort=options["reasoning_effort"],
                    tiers=tiers,
                    source=source,
                )
        except ValidationFailed as error:
            fields: dict[str, list[str]] = error.details["fields"]
            lines = (f"{field.replace('_', ' ')}: {' '.join(texts)}" for field, texts in fields.items())
            raise CommandError("\n".join(lines)) from error
        self.stdout.write(
            f"Added the model {model.alias}: context window {model.context_window:,}, max output "
            f"{model.max_output_tokens:,} tokens, {price_text(tiers, source)}."
        )
        if abilities := abilities_text(model):
            self.stdout.write(f"It has {abilities}.")
        if not provider.has_key:
            self.stdout.write(f"Before it can be used, {provider.key_cure}.")


def listed_by_server(provider: Provider, model_id: str) -> ListedModel:
    """Return what the provider's server says about a model; nothing if it cannot be asked."""
    try:
        return provider_models(provider).get(model_id, ListedModel())
    except NotListable:
        return ListedModel()


def abilities_text(model: LlmModel) -> str:
    """Return what is special about a model's abilities, for people; empty if nothing is."""
    parts = [
        "" if model.json_schema else "no structured output",
        "" if model.temperature else "no temperature",
        "vision" if model.vision else "",
        f"reasoning efforts {', '.join(model.reasoning_efforts)}" if model.reasoning_efforts else "",
    ]
    return ", ".join(part for part in parts if part)


def tiers_for(model: LlmModel, options: dict[str, Any]) -> tuple[Mapping[int, Rates], str]:
    """Return a new model's price by tier, and its source: as given, else from the data. Raises CommandError."""
    rates = rates_of(options)
    if rates is not None:
        if options["unpriced"]:
            raise CommandError("Give a price, or --unpriced, not both.")
        if not options["yes"] and (doubt := doubt_about(model, rates)):
            raise CommandError(f"{doubt} Check the price, or add --yes. Nothing was added.")
        return {0: rates}, "add_model"
    try:
        return ({} if options["unpriced"] else listed_price(model, at=timezone.now()).tiers), data_source()
    except NotListed:
        return {}, ""


def price_text(tiers: Mapping[int, Rates], source: str) -> str:
    if not tiers:
        return "unpriced"
    rates = tiers[0]
    return (
        f"USD {rate_text(rates.input_pico)} in, {rate_text(rates.output_pico)} out per 1M tokens ({source})"
    )


HELP = {
    "input": "price of 1M input tokens; requires the output price",
    "output": "price of 1M output tokens",
    "cache_read": "default: the input price",
    "cache_write": "both lifetimes; default: the input price",
    "cache_write_1h": "lifetime of one hour; default: the cache write price",
}


def rates_of(options: dict[str, Any]) -> Rates | None:
    """Return the rates, None without any price. Raises CommandError if input or output is missing."""
    given = {name: options[name] for name in PRICES if options[name] is not None}
    if not given:
        return None
    if "input" not in given or "output" not in given:
        raise CommandError("Give both --input-usd-per-mtok and --output-usd-per-mtok, or no price.")
    return Rates(
        input_pico=given["input"],
        output_pico=given["output"],
        cache_read_pico=given.get("cache_read"),
        cache_write_5m_pico=given.get("cache_write"),
        cache_write_1h_pico=given.get("cache_write_1h", given.get("cache_write")),
    )
