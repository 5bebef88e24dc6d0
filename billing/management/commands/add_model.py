"""`add_model ALIAS --provider NAME --model-id ID ...`: add a model to the catalogue, with its price if it is given."""

from __future__ import annotations

from argparse import ArgumentParser, ArgumentTypeError
from decimal import Decimal, InvalidOperation
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from billing.management.additions import additions_audited
from billing.services.prices import Rates, priced_model_add, rate_pico
from orchestration.models import Provider
from web.errors import ValidationFailed

PRICES = ("input", "output", "cache_read", "cache_write", "cache_write_1h")


def price(text: str) -> int:
    """Return a price in USD per million tokens as pico-USD per token."""
    try:
        return rate_pico(Decimal(text))
    except InvalidOperation as error:
        raise ArgumentTypeError(f"{text!r} is no number") from error
    except ValueError as error:
        raise ArgumentTypeError(f"{text}: {error}") from error


class Command(BaseCommand):
    help = "Add a model that agents can use. Without a price its calls are counted and not priced."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("alias", help="how agents name the model")
        parser.add_argument("--provider", required=True, help="the name of its provider")
        parser.add_argument("--model-id", required=True, help="the provider's own name for the model")
        parser.add_argument(
            "--context-window", required=True, type=int, metavar="N", help="tokens, input and output"
        )
        parser.add_argument(
            "--max-output", required=True, type=int, metavar="N", help="tokens of the longest answer"
        )
        parser.add_argument(
            "--no-json-schema", action="store_true", help="it cannot be held to a JSON schema"
        )
        parser.add_argument("--no-temperature", action="store_true", help="it refuses a temperature")
        for name in PRICES:
            option = f"--{name.replace('_', '-')}-usd-per-mtok"
            parser.add_argument(option, type=price, metavar="USD", dest=name, help=HELP[name])

    def handle(self, *args: Any, **options: Any) -> None:
        provider = Provider.objects.filter(name=options["provider"]).first()
        if provider is None:
            names = ", ".join(Provider.objects.values_list("name", flat=True))
            raise CommandError(f"There is no provider {options['provider']}. There are: {names}.")
        rates = rates_of(options)
        try:
            with additions_audited():
                model = priced_model_add(
                    alias=options["alias"],
                    provider=provider,
                    model_id=options["model_id"],
                    context_window=options["context_window"],
                    max_output_tokens=options["max_output"],
                    json_schema=not options["no_json_schema"],
                    temperature=not options["no_temperature"],
                    rates=rates,
                    source="add_model",
                )
        except ValidationFailed as error:
            fields: dict[str, list[str]] = error.details["fields"]
            lines = (f"{field.replace('_', ' ')}: {' '.join(texts)}" for field, texts in fields.items())
            raise CommandError("\n".join(lines)) from error
        self.stdout.write(f"Added the model {model.alias}{'' if rates else ', unpriced'}.")
        if not provider.has_key:
            self.stdout.write(f"Before it can be used, {provider.key_cure}.")


HELP = {
    "input": "price of a million input tokens; together with the output's",
    "output": "price of a million output tokens",
    "cache_read": "default: as input",
    "cache_write": "both lifetimes; default: as input",
    "cache_write_1h": "where writing for an hour costs something else",
}


def rates_of(options: dict[str, Any]) -> Rates | None:
    """Return the rates, None where no price was given. CommandError where they are not enough."""
    given = {name: options[name] for name in PRICES if options[name] is not None}
    if not given:
        return None
    if "input" not in given or "output" not in given:
        raise CommandError("Give --input-usd-per-mtok and --output-usd-per-mtok, or no price at all.")
    return Rates(
        input_pico=given["input"],
        output_pico=given["output"],
        cache_read_pico=given.get("cache_read"),
        cache_write_5m_pico=given.get("cache_write"),
        cache_write_1h_pico=given.get("cache_write_1h", given.get("cache_write")),
    )
