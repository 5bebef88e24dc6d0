"""Rates in forms: entered in USD per 1M tokens, the unit of providers' price lists."""

from __future__ import annotations

from typing import Any

from django import forms

from billing.services.prices import rate_pico

AS_INPUT = "Defaults to the input price."


class RateField(forms.DecimalField):
    """A rate in USD per million tokens, cleaned to pico-USD per token."""

    def clean(self, value: Any) -> int | None:
        usd = super().clean(value)
        try:
            return None if usd is None else rate_pico(usd)
        except ValueError as error:
            raise forms.ValidationError(f"{str(error).capitalize()}.") from error
