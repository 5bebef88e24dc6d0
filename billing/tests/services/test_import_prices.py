"""Import of a price file: all rows or none, with every error by line."""

from __future__ import annotations

import datetime as dt
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from accounts.tests.support.at_once import at_once
from billing.models import ModelPrice
from billing.services.price_import import COLUMNS
from billing.tests.factories import make_model

pytestmark = pytest.mark.django_db
HEADER = ",".join(COLUMNS)
GOOD = "test-model,2026-11-01,0,2,0.2,2.5,4,10"


@pytest.fixture(autouse=True)
def model(db: None) -> Any:
    return make_model(priced=False)


def run(path: Path, *rows: str, header: str = HEADER, options: tuple[str, ...] = ()) -> str:
    file = path / "prices.csv"
    file.write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
    out = StringIO()
    call_command("import_prices", str(file), *options, stdout=out)
    return out.getvalue()


def added() -> list[tuple[Any, ...]]:
    names = ("input_pico", "cache_read_pico", "cache_write_5m_pico", "cache_write_1h_pico", "output_pico")
    rows = ModelPrice.objects.filter(model__alias="test-model")
    return list(rows.values_list("effective_from", "min_input_tokens", *names).order_by("min_input_tokens"))


def test_rows_are_added_with_the_file_as_their_source(tmp_path: Path) -> None:
    said = run(tmp_path, GOOD, "test-model,2026-11-01T12:00:00+02:00,200001,4,,,,20.000001")
    assert said == "Added 2 prices.\n"
    assert added() == [
        (dt.datetime(2026, 11, 1, tzinfo=dt.UTC), 0, 2_000_000, 200_000, 2_500_000, 4_000_000, 10_000_000),
        (
            dt.datetime(2026, 11, 1, 10, tzinfo=dt.UTC),
            200_001,
            *(4_000_000, 4_000_000, 4_000_000, 4_000_000, 20_000_001),
        ),
    ]
    sources = ModelPrice.objects.filter(model__alias="test-model").values_list("source", flat=True)
    assert set(sources) == {"prices.csv"}


def test_a_source_may_be_named(tmp_path: Path) -> None:
    run(tmp_path, GOOD, options=("--source", "our contract"))
    assert ModelPrice.objects.get(model__alias="test-model").source == "our contract"


def test_the_same_file_twice_adds_nothing(tmp_path: Path) -> None:
    run(tmp_path, GOOD)
    assert run(tmp_path, GOOD) == "Added 0 prices; 1 already existed.\n"
    assert len(added()) == 1


def test_columns_in_any_order_and_a_byte_order_mark(tmp_path: Path) -> None:
    names = sorted(COLUMNS)
    cells = dict(zip(COLUMNS, GOOD.split(","), strict=True))
    run(tmp_path, ",".join(cells[name] for name in names), header="\ufeff" + ",".join(names))
    assert added()[0][2] == 2_000_000


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("nobody,2026-11-01,0,2,,,,10", "line 3: unknown model 'nobody'"),
        ("test-model,soon,1,2,,,,10", "line 3: effective_from: 'soon' is not a date"),
        ("test-model,,1,2,,,,10", "line 3: effective_from: '' is not a date"),
        (
            "test-model,2026-11-01T12:00:00,1,2,,,,10",
            "line 3: effective_from: '2026-11-01T12:00:00' needs a UTC offset",
        ),
        ("test-model,2026-11-01,-1,2,,,,10", "line 3: min_input_tokens: '-1' is not a number of tokens"),
        ("test-model,2026-11-01,99999999999,2,,,,10", "is not a number of tokens"),
        ("test-model,2026-11-01,1,,,,,10", "line 3: input: '' is not a number"),
        ("test-model,2026-11-01,1,2,,,,", "line 3: output: '' is not a number"),
        ("test-model,2026-11-01,1,2,x,,,10", "line 3: cache_read: 'x' is not a number"),
        ("test-model,2026-11-01,1,-2,,,,10", "line 3: input: a price is a number from 0"),
        ("test-model,2026-11-01,1,NaN,,,,10", "line 3: input: a price is a number from 0"),
        ("test-model,2026-11-01,1,0.0000001,,,,10", "line 3: input: a price has at most 6 decimal places"),
        ("test-model,2026-11-01,1,2", "line 3: expected 8 columns"),
        (f"{GOOD},1", "line 3: expected 8 columns"),
        (GOOD, "line 3: the same model, effective_from and min_input_tokens as in line 2"),
        ('test-model,"2026-11-01" x,1,2,,,,10', "not a CSV file"),
    ],
)
def test_one_error_and_nothing_is_added(tmp_path: Path, row: str, said: str) -> None:
    with pytest.raises(CommandError) as refused:
        run(tmp_path, GOOD, row)
    assert said in str(refused.value)
    assert "Nothing was added." in str(refused.value)
    assert added() == []


def test_all_errors_are_reported_at_once(tmp_path: Path) -> None:
    with pytest.raises(CommandError) as refused:
        run(tmp_path, "nobody,2026-11-01,0,2,,,,10", GOOD, "test-model,soon,0,2,,,,10")
    assert [line.partition(":")[0] for line in str(refused.value).splitlines()] == [
        "line 2",
        "line 4",
        "Nothing was added.",
    ]


@pytest.mark.parametrize(
    ("header", "said"),
    [
        ("alias,effective_from", "missing columns: min_input_tokens, input"),
        (f"{HEADER},note", "unknown columns: note"),
        (f"{HEADER},alias", "duplicate column"),
        ("", "missing columns: alias"),
    ],
)
def test_a_header_that_is_not_ours(tmp_path: Path, header: str, said: str) -> None:
    with pytest.raises(CommandError, match=said):
        run(tmp_path, header=header)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="cannot be read"):
        call_command("import_prices", str(tmp_path / "none.csv"))


def test_a_file_that_is_no_text(tmp_path: Path) -> None:
    file = tmp_path / "prices.csv"
    file.write_bytes(HEADER.encode() + b"\n\xff\xfe\n")
    with pytest.raises(CommandError, match="not a CSV"):
        call_command("import_prices", str(file))


@pytest.mark.django_db(transaction=True)
def test_twice_at_once_adds_once(tmp_path: Path) -> None:
    outcomes = at_once(lambda: run(tmp_path, GOOD), lambda: run(tmp_path, GOOD))
    assert sorted(str(outcome).split(";")[0].strip(".\n") for outcome in outcomes) == [
        "Added 0 prices",
        "Added 1 prices",
    ]
