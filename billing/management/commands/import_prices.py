"""`import_prices FILE.csv`: add the prices of a CSV file, all or none."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from billing.management.additions import additions_audited
from billing.models import ModelPrice
from billing.services.price_import import COLUMNS, PriceFileRefused, prices_import
from web.dates import moment_text


class Command(BaseCommand):
    help = (
        f"Add prices from a CSV file with the columns {', '.join(COLUMNS)}. Rates are in USD per 1M tokens; empty "
        "cache rates default to the input rate. Adds all rows or none."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path, metavar="FILE.csv")
        parser.add_argument("--source", help="source of the prices; default: the file's name")
        parser.add_argument(
            "--yes", action="store_true", help="add the prices even if some are far from the known ones"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        path: Path = options["file"]
        limit = ModelPrice._meta.get_field("source").max_length
        try:
            with path.open(encoding="utf-8-sig", newline="") as lines, additions_audited():
                imported = prices_import(
                    lines=lines,
                    source=(options["source"] or path.name)[:limit],
                    is_checked=not options["yes"],
                )
        except OSError as error:
            raise CommandError(f"{path} cannot be read: {error.strerror}.") from error
        except PriceFileRefused as error:
            raise CommandError("\n".join([*error.problems, "Nothing was added."])) from error
        existing = f"; {imported.existing} already existed" if imported.existing else ""
        self.stdout.write(f"Added {imported.added} prices{existing}.")
        for line, alias, until in imported.ended:
            self.stdout.write(
                f"line {line}: the price of {alias} applies only until {moment_text(until)}, when a "
                f"later price begins. To replace that one, use its effective_from: {until.isoformat()}. "
                "To correct calls already billed, then run reprice with --model and --reason."
            )
