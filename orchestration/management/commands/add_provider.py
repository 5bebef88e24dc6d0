"""`add_provider NAME --kind openai --base-url URL --key-env VAR`: add a server that runs models."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from orchestration.gateway.kinds import KINDS
from orchestration.services import provider_add
from web.errors import ValidationFailed


class Command(BaseCommand):
    help = "Add a provider of models. Its key stays in the environment: give the name of the variable."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("name", help="the provider's name in Pantheon, such as openrouter")
        kinds = [kind.key for kind in KINDS.values() if kind.wire]
        parser.add_argument("--kind", required=True, choices=kinds, help="the API format of its server")
        parser.add_argument("--base-url", default="", help="such as http://localhost:11434/v1")
        parser.add_argument(
            "--base-url-env", default="", metavar="VAR", help="a variable that holds the base URL"
        )
        parser.add_argument(
            "--key-env",
            default="",
            metavar="VAR",
            help="the variable that holds the key, if any; it ends in _API_KEY",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        fields = ("name", "kind", "base_url", "base_url_env", "key_env")
        try:
            provider = provider_add(**{field: options[field] for field in fields})
        except ValidationFailed as error:
            raise CommandError(sentences(error)) from error
        self.stdout.write(f"Added the provider {provider.name}.")
        if not provider.has_key:
            self.stdout.write(f"Before its models can be used, {provider.key_cure}.")
        self.stdout.write(f"Next: bin/manage add_model ALIAS --provider {provider.name} --model-id ID ...")


def sentences(error: ValidationFailed) -> str:
    """Return the errors, one line per field."""
    fields: dict[str, list[str]] = error.details["fields"]
    return "\n".join(f"{field.replace('_', ' ')}: {' '.join(texts)}" for field, texts in fields.items())
