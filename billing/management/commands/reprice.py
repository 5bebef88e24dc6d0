"""`reprice --from DATE [--to DATE] [--model ALIAS]`: price calls that had no price when they were made."""

from __future__ import annotations

import datetime as dt
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from billing.fields import usd_text
from billing.management.dates import utc_date
from billing.services.reprice import events_reprice
from orchestration.models import LlmModel


class Command(BaseCommand):
    help = "Price unpriced calls with the prices in effect when they were made, by adding corrections."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--from", dest="first", type=utc_date, metavar="DATE", required=True, help="first UTC day"
        )
        parser.add_argument(
            "--to", dest="last", type=utc_date, metavar="DATE", help="last UTC day; default: today"
        )
        parser.add_argument("--model", metavar="ALIAS", help="only this model; default: all")

    def handle(self, *args: Any, **options: Any) -> None:
        first, last, model = options["first"], options["last"], None
        if last is not None and first > last:
            raise CommandError("--from is after --to.")
        if options["model"] is not None:
            model = LlmModel.objects.filter(alias=options["model"]).first()
            if model is None:
                raise CommandError(f"Unknown model {options['model']}.")
        repriced = events_reprice(
            start=midnight(first), end=last and midnight(last + dt.timedelta(days=1)), model=model
        )
        for result in repriced:
            self.stdout.write(
                f"{result.alias}: {result.priced} calls priced, {usd_text(result.cost_pico)} USD"
                + (f"; {result.left} had no price in effect" if result.left else "")
            )
        cost = usd_text(sum(result.cost_pico for result in repriced))
        self.stdout.write(f"Priced {sum(result.priced for result in repriced)} calls: {cost} USD.")


def midnight(day: dt.date) -> dt.datetime:
    return dt.datetime.combine(day, dt.time(), tzinfo=dt.UTC)
