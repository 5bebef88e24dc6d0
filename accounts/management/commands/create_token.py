"""`create_token EMAIL --name N`: create an API token and print only the token."""

from __future__ import annotations

import datetime as dt
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from accounts.models import ApiToken, User
from accounts.services.people import token_create
from web.errors import ValidationFailed

MAX_DAYS = 36_500


class Command(BaseCommand):
    help = "Create an API token for a user and print only the token."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("email")
        parser.add_argument("--name", required=True, help="what the token is for")
        parser.add_argument(
            "--scopes", nargs="+", choices=ApiToken.Scope.values, help="default: all scopes the user may have"
        )
        parser.add_argument("--expires-days", type=int, help="days until it expires; default: never")

    def handle(self, *args: Any, **options: Any) -> None:
        user = User.objects.filter(email=User.normalize_email(options["email"])).first()
        if user is None:
            raise CommandError(f"No user has the email address {options['email']}.")
        days = options["expires_days"]
        if days is not None and not 1 <= days <= MAX_DAYS:
            raise CommandError(f"--expires-days must be a number from 1 to {MAX_DAYS}.")
        expires_at = timezone.now() + dt.timedelta(days=days) if days else None
        try:
            _, secret = token_create(
                user=user, name=options["name"], scopes=options["scopes"], expires_at=expires_at
            )
        except ValidationFailed as error:
            errors = (f"{name}: {' '.join(messages)}" for name, messages in error.details["fields"].items())
            raise CommandError(" ".join(errors)) from error
        self.stdout.write(secret)
