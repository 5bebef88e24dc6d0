"""Money as whole pico-US-dollars (10^-12 USD), so that tokens x price is exact on every database."""

from __future__ import annotations

from decimal import MAX_EMAX, MAX_PREC, MIN_EMIN, Context, Decimal
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.db import models

PICO_PER_USD = 10**12
MTOK = 10**6
"""Tokens in the unit of displayed prices: USD per million tokens."""

MAX_USD = 10**6
MAX_PICO = MAX_USD * PICO_PER_USD
"""The largest amount; a BigIntegerField holds nine times as much."""


MOST = 2**63 - 1
"""The largest value of a column of amounts."""


def added_sql(table: str, name: str) -> str:
    """Return the SQL of a sum in an upsert. It stops at MOST: no turn can be committed if an addition fails."""
    old, new = f"{table}.{name}", f"EXCLUDED.{name}"
    return f"CASE WHEN {new} <= 0 THEN {old} + {new} WHEN {old} > {MOST} - {new} THEN {MOST} ELSE {old} + {new} END"


EXACT = Context(prec=MAX_PREC, Emax=MAX_EMAX, Emin=MIN_EMIN)
"""A decimal context that never rounds."""


def pico_to_usd(pico: int) -> Decimal:
    """Return the exact amount in USD."""
    return Decimal(pico).scaleb(-12, EXACT)


def usd_to_pico(usd: Decimal) -> int:
    """Return the amount in pico-USD. Raises ValueError if not finite, above MAX_USD, or finer than one pico-USD."""
    if not usd.is_finite() or not -MAX_USD <= usd <= MAX_USD:
        raise ValueError(f"{usd} USD is not an amount of at most {MAX_USD} USD")
    pico = usd.scaleb(12, EXACT)
    if pico != pico.to_integral_value():
        raise ValueError(f"{usd} USD has more than 12 decimal places")
    return int(pico)


def usd_text(pico: int | None) -> str | None:
    """Return the API's USD string: exact, at least two decimals, no exponent. None (unpriced) stays None."""
    if pico is None:
        return None
    whole, fraction = divmod(abs(pico), PICO_PER_USD)
    return f"{'-' * (pico < 0)}{whole}.{f'{fraction:012}'.rstrip('0').ljust(2, '0')}"


class PicoUsdFormField(forms.DecimalField):
    """A form field for amounts in USD that cleans to pico-USD."""

    def prepare_value(self, value: Any) -> Any:
        return usd_text(value) if isinstance(value, int) else value

    def clean(self, value: Any) -> Any:
        usd = super().clean(value)
        if usd is None:
            return None
        try:
            return usd_to_pico(usd)
        except ValueError as error:
            raise ValidationError(
                "An amount has at most 12 decimal places and is at most USD 1 million."
            ) from error

    def has_changed(self, initial: Any, data: Any) -> bool:
        return super().has_changed(pico_to_usd(initial) if isinstance(initial, int) else initial, data)


class PicoUsdField(models.BigIntegerField):
    """Pico-USD in the database and in code (`..._pico`), USD in forms."""

    def formfield(self, **kwargs: Any) -> Any:
        defaults = {
            "form_class": PicoUsdFormField,
            "max_digits": 19,
            "decimal_places": 12,
            "max_value": MAX_USD,
        }
        return models.Field.formfield(self, **{**defaults, **kwargs})
