"""`sync_prices [--dry-run]`: add the prices that the installed price data know and the catalogue does not."""

from __future__ import annotations

import datetime as dt
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from billing.fields import MTOK, usd_text
from billing.management.additions import additions_audited
from billing.management.dates import utc_date
from billing.services.prices import Rates


class Command(BaseCommand):
    help = "Add prices from the installed price data where they differ. Nothing is fetched."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--dry-run", action="store_true", help="show what would be added")
        parser.add_argument(
            "--replace", action="store_true", help="also replace prices that were entered by hand"
        )
        parser.add_argument(
            "--from",
            dest="first_day",
            type=utc_date,
            metavar="DATE",
            help="day from which the first price of a model holds, for reprice; default: now",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        from billing.services.price_source import data_source
        from billing.services.price_sync import SyncedModel, price_sync

        day = options["first_day"]
        with additions_audited():
            synced = price_sync(
                first_prices_from=dt.datetime.combine(day, dt.time(), tzinfo=dt.UTC) if day else None,
                replace=options["replace"],
                dry_run=options["dry_run"],
            )
        for found in synced:
            self.stdout.write(f"{found.alias}: {found.outcome}{f', {found.note}' if found.note else ''}")
            for first, rates in found.added.items():
                self.stdout.write(f"  {f'from {first:,} input tokens: ' if first else ''}{rates_text(rates)}")
        counts = {
            outcome: sum(found.outcome == outcome for found in synced)
            for outcome in (
                SyncedModel.ADDED,
                SyncedModel.CONFIRMED,
                SyncedModel.UNCHANGED,
                SyncedModel.KEPT,
                SyncedModel.UNKNOWN,
            )
        }
        said = ", ".join(f"{count} {outcome}" for outcome, count in counts.items() if count)
        self.stdout.write(f"{data_source()}: {said or 'no models'}.")
        if options["dry_run"]:
            self.stdout.write("Nothing was written.")
        elif any(found.was_unpriced and found.added for found in synced):
            self.stdout.write("Calls from before their model had a price are priced by reprice.")


def rates_text(rates: Rates) -> str:
    """Return rates in USD per million tokens."""
    names = {
        "input_pico": "input",
        "cache_read_pico": "cache read",
        "cache_write_5m_pico": "cache write",
        "cache_write_1h_pico": "cache write 1 h",
        "output_pico": "output",
    }
    five = rates.five()
    return ", ".join(f"{label} {usd_text(five[name] * MTOK)}" for name, label in names.items())
