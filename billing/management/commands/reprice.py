"""`reprice --from DATE [--to DATE] [--model ALIAS [--reason TEXT]]`: price calls with the prices of their time."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from billing.days import DayRange
from billing.fields import usd_text
from billing.management.dates import utc_date
from billing.services.reprice import RepricedModel, events_reprice, model_events_correct
from orchestration.models import LlmModel


class Command(BaseCommand):
    help = (
        "Price unpriced calls with the prices in effect when they were made, by adding corrections. With --model and "
        "--reason, also correct calls that had another price; the audit log has the reason."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--from", dest="first", type=utc_date, metavar="DATE", required=True, help="first UTC day"
        )
        parser.add_argument(
            "--to", dest="last", type=utc_date, metavar="DATE", help="last UTC day; default: today"
        )
        parser.add_argument("--model", metavar="ALIAS", help="only this model; default: all")
        parser.add_argument(
            "--reason",
            metavar="TEXT",
            help="also correct this model's calls that had a price, for this reason",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        first, last, reason = options["first"], options["last"], options["reason"]
        if last is not None and first > last:
            raise CommandError("--from is after --to.")
        model = model_named(options["model"])
        start = DayRange(first, first).begin
        end = DayRange(first, last).end if last is not None else None
        if reason is None:
            repriced = events_reprice(start=start, end=end, model=model)
        elif model is None:
            raise CommandError("--reason corrects one model: name it with --model.")
        elif not reason.strip():
            raise CommandError("--reason is empty: say why the calls are corrected.")
        else:
            repriced = [
                model_events_correct(model=model, start=start, end=end, reason=reason.strip(), actor_id=None)
            ]
        for result in repriced:
            self.stdout.write(f"{result.alias}: {outcome_text(result)}")
        cost = usd_text(sum(result.cost_pico for result in repriced))
        self.stdout.write(
            f"Priced {sum(each.priced + each.corrected for each in repriced)} calls: {cost} USD."
        )


def outcome_text(result: RepricedModel) -> str:
    """Return what repricing a model did."""
    corrected = f", {result.corrected} corrected" if result.corrected else ""
    left = f"; {result.left} had no price in effect" if result.left else ""
    return f"{result.priced} calls priced{corrected}, {usd_text(result.cost_pico)} USD{left}"


def model_named(alias: str | None) -> LlmModel | None:
    """Return the model with this alias, None for None. Raises CommandError."""
    if alias is None:
        return None
    model = LlmModel.objects.filter(alias=alias).first()
    if model is None:
        raise CommandError(f"Unknown model {alias}.")
    return model
