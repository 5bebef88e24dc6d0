"""`rebuild_rollups [--from DATE] [--to DATE]`: recompute the rollups from the events, one day at a time."""

from __future__ import annotations

import datetime as dt
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from billing.management.dates import utc_date
from billing.services.rollup import ledger_days, rollup_rebuild

SUNDAY = 6


class Command(BaseCommand):
    help = "Recompute the rollups from the events. Safe while turns are running."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--from", dest="first", type=utc_date, metavar="DATE", help="default: the first day of the ledger"
        )
        parser.add_argument(
            "--to", dest="last", type=utc_date, metavar="DATE", help="default: the last day of the ledger"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        days = ledger_days()
        if days is None:
            self.stdout.write("The ledger is empty.")
            return
        first, last = options["first"] or days[0], options["last"] or days[1]
        if options["first"] and options["last"] and first > last:
            raise CommandError("--from is after --to.")
        # The days before and after have neither events nor rollup rows.
        first, last = max(first, days[0]), min(last, days[1])
        rows = wrong = 0
        day = first
        while day <= last:
            rebuilt = rollup_rebuild(day=day, with_week=day == last or day.weekday() == SUNDAY)
            rows, wrong = rows + rebuilt.rows, wrong + rebuilt.wrong
            if rebuilt.wrong:
                self.stdout.write(f"{day}: {rebuilt.rows} rows, {rebuilt.wrong} were wrong")
            day += dt.timedelta(days=1)
        count = max((last - first).days + 1, 0)
        self.stdout.write(f"Rebuilt {count} days: {rows} rows, {wrong} were wrong.")
