"""Money: a whole number of pico-US-dollars (10^-12 USD), so that tokens x price is exact on every database."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.db import models

PICO_PER_USD = 10**12
MAX_PICO = 10**6 * PICO_PER_USD
"""One amount is at most USD 1 million; a BigIntegerField holds nine times as much."""


def pico_to_usd(pico: int) -> Decimal:
    """Return the exact amount in USD."""
    return Decimal(pico).scaleb(-12)


def usd_to_pico(usd: Decimal) -> int:
    """Return the amount in pico-USD; ValueError where it is finer than one pico-USD."""
    pico = usd.scaleb(12)
    if pico != pico.to_integral_value():
        raise ValueError(f"{usd} USD has more than 12 decimal places")
    return int(pico)


def usd_text(pico: int | None) -> str | None:
    """Return the API's string of USD: exact, at least two decimals, no exponent; None stays None (unpriced)."""
    if pico is None:
        return None
    whole, _, fraction = f"{pico_to_usd(pico):.12f}".partition(".")
    return f"{whole}.{fraction.rstrip('0').ljust(2, '0')}"


class PicoUsdFormField(forms.DecimalField):
    """A form field in which people type USD."""

    def prepare_value(self, value: Any) -> Any:
        return usd_text(value) if isinstance(value, int) else value

    def clean(self, value: Any) -> Any:
        usd = super().clean(value)
        if usd is None:
            return None
        try:
            return usd_to_pico(usd)
        except ValueError as error:
            raise ValidationError("At most 12 decimal places.") from error


class PicoUsdField(models.BigIntegerField):
    """A number of pico-USD in the database and in code (`..._pico`), USD in forms."""

    def formfield(self, **kwargs: Any) -> Any:
        defaults = {"form_class": PicoUsdFormField, "max_digits": 19, "decimal_places": 12}
        return models.Field.formfield(self, **{**defaults, **kwargs})
