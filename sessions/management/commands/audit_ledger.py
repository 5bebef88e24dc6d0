"""`audit_ledger`: compare calls, events, rollups and turns; exit 1 if an invariant of the ledger is broken."""

from __future__ import annotations

import itertools
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from sessions.selectors.ledger_audit import INVARIANTS


class Command(BaseCommand):
    help = "Check that every call is billed once and that every sum can be recomputed. Changes nothing."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--show", type=int, default=20, metavar="N", help="findings to show per check; default: 20"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        broken = 0
        for invariant in INVARIANTS:
            found = list(itertools.islice(invariant.breaches(), max(1, options["show"]) + 1))
            broken += bool(found)
            self.stdout.write(f"{invariant.number}. {invariant.text}: {'broken' if found else 'ok'}")
            for line in found[: options["show"]]:
                self.stdout.write(f"   {line}")
            if len(found) > options["show"]:
                self.stdout.write("   and more")
        if broken:
            raise CommandError(f"{broken} of {len(INVARIANTS)} checks failed.")
