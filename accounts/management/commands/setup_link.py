"""`setup_link`: print the one-time link that creates the first administrator, if there is none."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand
from django.urls import reverse

from accounts.services.people import setup_link_issue


class Command(BaseCommand):
    help = "Print a one-time link that creates the first administrator; nothing if there already is one."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--base-url", default="http://127.0.0.1:8000")

    def handle(self, *args: Any, **options: Any) -> None:
        secret = setup_link_issue()
        if secret is not None:
            self.stdout.write(options["base_url"].rstrip("/") + reverse("setup", args=[secret]))
