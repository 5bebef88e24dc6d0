"""Prices from a CSV file: all of its rows or none."""

from __future__ import annotations

import csv
import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation

from django.db import transaction

from billing.models import ModelPrice
from billing.models.ledger import MAX_TIER_TOKENS
from billing.services.price_check import doubt_about
from billing.services.prices import Rates, price_add, price_until, rate_pico
from orchestration.engine.specs import BUCKETS
from orchestration.models import LlmModel
from web.errors import ValidationFailed

REQUIRED = ("input", "output")
COLUMNS = ("alias", "effective_from", "min_input_tokens", *BUCKETS)


class PriceFileRefused(Exception):
    """A price file has errors, listed in `problems` by line. Nothing was added."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportedPrices:
    added: int
    existing: int
    """Rows that existed before."""
    ended: Sequence[tuple[int, str, dt.datetime]]
    """Lines whose price was dated back and ended by a later row: (line, alias, end of its effect)."""


@transaction.atomic(durable=True)
def prices_import(*, lines: Iterable[str], source: str, is_checked: bool = True) -> ImportedPrices:
    """Add the prices of a CSV file with the columns COLUMNS, rates in USD per million tokens. Raises PriceFileRefused.

    A row that exists already, with the same model, moment, tier and rates, is skipped. `is_checked`: a price far from
    the installed data is a problem.
    """
    reader = csv.DictReader(lines, strict=True)
    try:
        problems = problems_of_header(reader.fieldnames or [])
        if problems:
            raise PriceFileRefused(problems)
        rows = [(reader.line_num, row) for row in reader]
    except (csv.Error, UnicodeDecodeError) as error:
        raise PriceFileRefused([f"line {reader.line_num + 1}: not a CSV file: {error}"]) from error
    # Locked so that of two imports of one file at once, the second sees the rows of the first.
    aliases = {row["alias"] for _, row in rows}
    locked = LlmModel.objects.select_for_update(no_key=True).filter(alias__in=aliases).order_by("pk")
    models = {model.alias: model for model in locked}
    existing = 0
    added: list[tuple[int, ModelPrice]] = []
    seen: dict[tuple[object, ...], int] = {}
    for line, row in rows:
        try:
            model, first, tier, rates = parse_row(row, models)
            if (before := seen.setdefault((model.pk, first, tier), line)) != line:
                raise ValueError(f"the same model, effective_from and min_input_tokens as in line {before}")
            if ModelPrice.objects.filter(
                model=model, effective_from=first, min_input_tokens=tier, **rates.five()
            ).exists():
                existing += 1
                continue
            if is_checked and (doubt := doubt_about(model, rates, min_input_tokens=tier, at=first)):
                problems.append(f"line {line}: {doubt} Check it, or import with --yes.")
                continue
            price = price_add(
                model=model, rates=rates, source=source, min_input_tokens=tier, effective_from=first
            )
            added.append((line, price))
        except ValidationFailed as error:
            fields = error.details["fields"].items()
            problems += [f"line {line}: {name}: {' '.join(texts)}" for name, texts in fields]
        except ValueError as error:
            problems.append(f"line {line}: {error}")
    if problems:
        raise PriceFileRefused(problems)
    return ImportedPrices(added=len(added), existing=existing, ended=ended_prices(added))


def ended_prices(added: Iterable[tuple[int, ModelPrice]]) -> list[tuple[int, str, dt.datetime]]:
    """Return line, alias and end of the prices that a row from before the import ended.

    Only the last price of each tier is looked at: a later row of the same file ends a price on purpose.
    """
    last = {
        (price.model_id, price.min_input_tokens): (line, price)
        for line, price in sorted(added, key=lambda pair: pair[1].effective_from)
    }
    return [
        (line, price.model.alias, until)
        for line, price in last.values()
        if (until := price_until(price)) is not None
    ]


def problems_of_header(names: Iterable[str]) -> list[str]:
    names_given = list(names)
    if missing := [name for name in COLUMNS if name not in names_given]:
        return [f"line 1: missing columns: {', '.join(missing)}; required are {', '.join(COLUMNS)}"]
    if unknown := [name or "without a name" for name in names_given if name not in COLUMNS]:
        return [f"line 1: unknown columns: {', '.join(unknown)}"]
    return [] if len(names_given) == len(COLUMNS) else ["line 1: duplicate column"]


def parse_row(
    row: Mapping[str, str | None], models: Mapping[str, LlmModel]
) -> tuple[LlmModel, dt.datetime, int, Rates]:
    """Return model, moment, tier and rates of a row. Raises ValueError with the problem."""
    if None in row or None in row.values():
        raise ValueError(f"expected {len(COLUMNS)} columns")
    cells = {name: (text or "").strip() for name, text in row.items()}
    if cells["alias"] not in models:
        raise ValueError(f"unknown model {cells['alias']!r}")
    rates = {name: parse_rate(name, cells[name]) for name in BUCKETS}
    return (
        models[cells["alias"]],
        parse_moment(cells["effective_from"]),
        parse_tier(cells["min_input_tokens"]),
        Rates(**{f"{name}_pico": rate for name, rate in rates.items()}),  # type: ignore[arg-type]
    )


def parse_moment(text: str) -> dt.datetime:
    """Parse a date (its start, UTC) or a datetime with an offset. Raises ValueError."""
    try:
        moment = dt.datetime.fromisoformat(text)
    except ValueError as error:
        raise ValueError(f"effective_from: {text!r} is not a date such as 2026-11-22") from error
    if moment.tzinfo is None:
        if len(text) > len("2026-11-22"):
            raise ValueError(f"effective_from: {text!r} needs a UTC offset, such as Z")
        moment = moment.replace(tzinfo=dt.UTC)
    return moment.astimezone(dt.UTC)


def parse_tier(text: str) -> int:
    """Parse the tier's first total of input tokens; empty means 0. Raises ValueError."""
    if not text:
        return 0
    if not (text.isascii() and text.isdigit() and int(text) <= MAX_TIER_TOKENS):
        raise ValueError(f"min_input_tokens: {text!r} is not a number of tokens")
    return int(text)


def parse_rate(name: str, text: str) -> int | None:
    """Parse a rate; None for an empty cache rate, which defaults to the input rate. Raises ValueError."""
    if not text and name not in REQUIRED:
        return None
    try:
        return rate_pico(Decimal(text))
    except InvalidOperation as error:
        raise ValueError(f"{name}: {text!r} is not a number") from error
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from error
