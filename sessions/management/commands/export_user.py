"""`export_user EMAIL [--output FILE]`: all data stored about a person, as JSON."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand

from accounts.management.people import person_of
from sessions.selectors.person import person_json


class Command(BaseCommand):
    help = "Write everything stored about a user as JSON."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("email")
        parser.add_argument("--output", type=Path, help="output file; default: standard output")

    def handle(self, *args: Any, **options: Any) -> None:
        user = person_of(options["email"])
        if options["output"] is None:
            for piece in person_json(user):
                self.stdout.write(piece, ending="")
            return
        with options["output"].open("w", encoding="utf-8") as file:
            file.writelines(person_json(user))
