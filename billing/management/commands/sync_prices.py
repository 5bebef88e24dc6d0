"""`sync_prices [--dry-run]`: add prices from the installed price data where the catalogue lacks them."""

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
    help = (
        "Add prices from the installed price data where they differ from the catalogue. Nothing is fetched."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--dry-run", action="store_true", help="only show the prices that would be added")
        parser.add_argument("--replace", action="store_true", help="also replace prices entered by hand")
        parser.add_argument(
            "--from",
            dest="first_day",
            type=utc_date,
            metavar="DATE",
            help="day on which a model's first price takes effect, for reprice; default: now",
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
        for result in synced:
            self.stdout.write(f"{result.alias}: {result.outcome}{f', {result.note}' if result.note else ''}")
            for first, rates in result.added.items():
                self.stdout.write(f"  {f'from {first:,} input tokens: ' if first else ''}{rates_text(rates)}")
        counts = {
            outcome: sum(result.outcome == outcome for result in synced)
            for outcome in (
                SyncedModel.ADDED,
                SyncedModel.CONFIRMED,
                SyncedModel.UNCHANGED,
                SyncedModel.KEPT,
                SyncedModel.UNKNOWN,
            )
        }
        summary = ", ".join(f"{count} {outcome}" for outcome, count in counts.items() if count)
        self.stdout.write(f"{data_source()}: {summary or 'no models'}.")
        if options["dry_run"]:
            self.stdout.write("Nothing was written.")
        elif any(result.was_unpriced and result.added for result in synced):
            self.stdout.write("Run reprice to price earlier calls of these models.")


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
