"""Prices from a CSV file: all of its rows or none."""

from __future__ import annotations

import csv
import datetime as dt
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation

from django.db import transaction

from billing.models import ModelPrice
from billing.models.ledger import MAX_TIER_TOKENS
from billing.services.prices import Rates, price_add, rate_pico
from orchestration.models import LlmModel
from web.errors import ValidationFailed

RATES = ("input", "cache_read", "cache_write_5m", "cache_write_1h", "output")
REQUIRED = ("input", "output")
COLUMNS = ("alias", "effective_from", "min_input_tokens", *RATES)


class PriceFileRefused(Exception):
    """A file of prices has errors: `problems` says which, line by line. Nothing was added."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportedPrices:
    added: int
    known: int
    """Rows that were there already."""


@transaction.atomic(durable=True)
def prices_import(*, lines: Iterable[str], source: str) -> ImportedPrices:
    """Add the prices of a CSV file with the columns COLUMNS, rates in USD per million tokens. Raises PriceFileRefused.

    A row that is there already, with the same model, moment, tier and rates, is not added again.
    """
    reader = csv.DictReader(lines, strict=True)
    try:
        problems = problems_of_header(reader.fieldnames or [])
        if problems:
            raise PriceFileRefused(problems)
        rows = [(reader.line_num, row) for row in reader]
    except (csv.Error, UnicodeDecodeError) as error:
        raise PriceFileRefused([f"line {reader.line_num + 1}: this is no CSV: {error}"]) from error
    # Locked so that the same file, imported twice at once, is known to one of them.
    aliases = {row["alias"] for _, row in rows}
    locked = LlmModel.objects.select_for_update(no_key=True).filter(alias__in=aliases).order_by("pk")
    models = {model.alias: model for model in locked}
    added = known = 0
    seen: dict[tuple[object, ...], int] = {}
    for line, row in rows:
        try:
            model, first, tier, rates = parsed(row, models)
            if (before := seen.setdefault((model.pk, first, tier), line)) != line:
                raise ValueError(f"the same model, effective_from and min_input_tokens as in line {before}")
            if ModelPrice.objects.filter(
                model=model, effective_from=first, min_input_tokens=tier, **rates.five()
            ).exists():
                known += 1
                continue
            price_add(model=model, rates=rates, source=source, min_input_tokens=tier, effective_from=first)
            added += 1
        except ValidationFailed as error:
            fields = error.details["fields"].items()
            problems += [f"line {line}: {name}: {' '.join(texts)}" for name, texts in fields]
        except ValueError as error:
            problems.append(f"line {line}: {error}")
    if problems:
        raise PriceFileRefused(problems)
    return ImportedPrices(added=added, known=known)


def problems_of_header(names: Iterable[str]) -> list[str]:
    given = list(names)
    if missing := [name for name in COLUMNS if name not in given]:
        return [f"line 1: no column {', '.join(missing)}; there must be {', '.join(COLUMNS)}"]
    if unknown := [name or "without a name" for name in given if name not in COLUMNS]:
        return [f"line 1: a column that is not known: {', '.join(unknown)}"]
    return [] if len(given) == len(COLUMNS) else ["line 1: a column is there twice"]


def parsed(
    row: Mapping[str, str | None], models: Mapping[str, LlmModel]
) -> tuple[LlmModel, dt.datetime, int, Rates]:
    """Return what a row says. Raises ValueError with what is wrong."""
    if None in row or None in row.values():
        raise ValueError(f"{len(COLUMNS)} columns are expected")
    cells = {name: (text or "").strip() for name, text in row.items()}
    if cells["alias"] not in models:
        raise ValueError(f"there is no model {cells['alias']!r}")
    rates = {name: rate_of(name, cells[name]) for name in RATES}
    return (
        models[cells["alias"]],
        moment_of(cells["effective_from"]),
        tier_of(cells["min_input_tokens"]),
        Rates(**{f"{name}_pico": rate for name, rate in rates.items()}),  # type: ignore[arg-type]
    )


def moment_of(text: str) -> dt.datetime:
    """Return a day (its beginning, UTC) or a moment with its offset."""
    try:
        moment = dt.datetime.fromisoformat(text)
    except ValueError as error:
        raise ValueError(f"effective_from: {text!r} is no date such as 2026-11-22") from error
    if moment.tzinfo is None:
        if len(text) > len("2026-11-22"):
            raise ValueError(f"effective_from: {text!r} needs an offset, such as Z")
        moment = moment.replace(tzinfo=dt.UTC)
    return moment.astimezone(dt.UTC)


def tier_of(text: str) -> int:
    """Return the tier's first total of input tokens; empty is 0."""
    if not text:
        return 0
    if not (text.isascii() and text.isdigit() and int(text) <= MAX_TIER_TOKENS):
        raise ValueError(f"min_input_tokens: {text!r} is no number of tokens")
    return int(text)


def rate_of(name: str, text: str) -> int | None:
    """Return a rate; empty is "as input" for the caches."""
    if not text and name not in REQUIRED:
        return None
    try:
        return rate_pico(Decimal(text))
    except InvalidOperation as error:
        raise ValueError(f"{name}: {text!r} is no number") from error
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from error
