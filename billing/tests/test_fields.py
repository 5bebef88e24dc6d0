"""Money: pico-USD and USD are the same amount, digit for digit."""

from __future__ import annotations

import re
from decimal import Decimal, localcontext
from fractions import Fraction

import pytest
from django import forms
from django.core.exceptions import ValidationError
from hypothesis import given
from hypothesis import strategies as st

from billing.fields import (
    MAX_PICO,
    MAX_USD,
    PicoUsdField,
    PicoUsdFormField,
    pico_to_usd,
    usd_text,
    usd_to_pico,
)

BIGINT = 2**63 - 1
amounts = st.integers(-MAX_PICO, MAX_PICO)


@given(amounts)
def test_there_and_back_is_the_same_amount(pico: int) -> None:
    assert usd_to_pico(pico_to_usd(pico)) == pico


@given(st.integers(-BIGINT, BIGINT))
def test_whatever_a_database_holds_is_shown_exactly(pico: int) -> None:
    assert pico_to_usd(pico) * 10**12 == pico
    text = usd_text(pico)
    assert text is not None
    assert re.fullmatch(r"-?(0|[1-9]\d*)\.\d{2,12}", text)
    assert not re.search(r"\.\d{2,}0$", text)
    assert Decimal(text) == pico_to_usd(pico)


@given(st.integers(10**28, 10**60))
def test_sums_beyond_every_column_stay_exact(pico: int) -> None:
    assert Fraction(pico_to_usd(pico)) * 10**12 == pico


@given(amounts)
def test_the_precision_of_the_caller_changes_nothing(pico: int) -> None:
    with localcontext(prec=3):
        assert usd_to_pico(pico_to_usd(pico)) == pico


@pytest.mark.parametrize(
    ("pico", "text"),
    [
        (0, "0.00"),
        (1, "0.000000000001"),
        (-1, "-0.000000000001"),
        (10**12, "1.00"),
        (1_500_000_000_000, "1.50"),
        (1_234_000_000, "0.001234"),
        (123_456_789_012_345_678, "123456.789012345678"),
        (MAX_PICO, "1000000.00"),
        (None, None),
    ],
)
def test_usd_has_at_least_two_decimals_and_no_exponent(pico: int | None, text: str | None) -> None:
    assert usd_text(pico) == text


@given(st.decimals(min_value=-MAX_USD, max_value=MAX_USD, places=12))
def test_takes_up_to_12_decimals(usd: Decimal) -> None:
    assert pico_to_usd(usd_to_pico(usd)) == usd


@given(amounts.filter(lambda pico: abs(pico) < MAX_PICO), st.integers(1, 9), st.integers(1, 60))
def test_refuses_what_is_finer_than_a_pico_however_fine(pico: int, digit: int, places: int) -> None:
    sign, digits, exponent = pico_to_usd(abs(pico)).as_tuple()
    assert isinstance(exponent, int)
    finer = Decimal((sign, digits + (0,) * (places - 1) + (digit,), exponent - places))
    with pytest.raises(ValueError, match="decimal places"):
        usd_to_pico(finer)


@pytest.mark.parametrize(
    "usd", ["NaN", "-NaN", "Infinity", "-Infinity", "1000000.000000000001", "-1000001", "1E+30", "1E+999999"]
)
def test_refuses_invalid_amounts(usd: str) -> None:
    with pytest.raises(ValueError, match="not an amount"):
        usd_to_pico(Decimal(usd))


@pytest.mark.parametrize("usd", ["1E-999999", "1E-13"])
def test_refuses_a_trace_of_money(usd: str) -> None:
    with pytest.raises(ValueError, match="decimal places"):
        usd_to_pico(Decimal(usd))


class PriceForm(forms.Form):
    price = PicoUsdField().formfield(required=False)


def cleaned(text: str) -> int | None:
    form = PriceForm({"price": text})
    assert form.is_valid(), form.errors
    value: int | None = form.cleaned_data["price"]
    return value


class TestForm:
    def test_is_typed_in_usd(self) -> None:
        assert isinstance(PriceForm.base_fields["price"], PicoUsdFormField)
        assert cleaned("1.5") == 1_500_000_000_000
        assert cleaned("0.000000000001") == 1
        assert cleaned("1000000") == MAX_PICO
        assert cleaned("") is None

    @pytest.mark.parametrize("text", ["0.0000000000001", "1000000.01", "99999999", "dear", "NaN", "Infinity"])
    def test_says_what_it_does_not_take(self, text: str) -> None:
        form = PriceForm({"price": text})
        assert form.errors.keys() == {"price"}

    def test_a_stored_amount_is_shown_in_usd(self) -> None:
        assert 'value="1.50"' in str(PriceForm(initial={"price": 1_500_000_000_000})["price"])
        assert 'value="nonsense"' in str(PriceForm({"price": "nonsense"})["price"])

    def test_an_untouched_amount_has_not_changed(self) -> None:
        for shown in ("1.50", "1.5", "1.500000000000"):
            assert not PriceForm({"price": shown}, initial={"price": 1_500_000_000_000}).has_changed()
        assert PriceForm({"price": "1.51"}, initial={"price": 1_500_000_000_000}).has_changed()
        assert not PriceForm({"price": ""}, initial={"price": None}).has_changed()

    def test_one_pico_too_much_is_an_error_of_the_amount(self) -> None:
        field = PicoUsdFormField()
        with pytest.raises(ValidationError, match="at most 12 decimal places"):
            field.clean("0.0000000000001")
