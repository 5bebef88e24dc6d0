"""Import of a price file: all rows or none, with every error by line."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from functools import partial
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from accounts.tests.support.at_once import at_once
from billing.models import ModelPrice
from billing.services.price_import import COLUMNS
from billing.tests.factories import make_model, make_price

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
    paths = (tmp_path / "one", tmp_path / "two")  # one that writes the file must not empty it for the other
    for path in paths:
        path.mkdir()
    outcomes = at_once(*(partial(run, path, GOOD) for path in paths))
    assert sorted(str(outcome).split(";")[0].strip(".\n") for outcome in outcomes) == [
        "Added 0 prices",
        "Added 1 prices",
    ]


def test_a_price_dated_back_that_a_later_row_ends_is_named(tmp_path: Path, model: Any) -> None:
    make_price(model, effective_from=dt.datetime(2026, 11, 20, 10, tzinfo=dt.UTC))
    text = run(tmp_path, "test-model,2026-01-01,0,1,,,,2")
    assert "line 2: the price of test-model applies only until Nov 20, 10:00 AM UTC" in text
    assert "use its effective_from: 2026-11-20T10:00:00+00:00" in text
    assert run(tmp_path, "test-model,2026-11-20T10:00:00Z,0,1,,,,2") == "Added 1 prices.\n"


def test_rows_of_one_file_that_follow_each_other_are_no_surprise(tmp_path: Path) -> None:
    rows = ("test-model,2026-01-01,0,1,,,,2", "test-model,2026-02-01,0,2,,,,4")
    assert run(tmp_path, *rows) == "Added 2 prices.\n"


def test_a_price_far_from_the_data_is_asked_about(tmp_path: Path) -> None:
    listed = ModelPrice.objects.exclude(model__alias="demo").filter(min_input_tokens=0).latest("created_at")
    row = f"{listed.model.alias},{timezone.now().isoformat()},0,{{}},,,,{{}}"
    near = [str(Decimal(rate) / 10**6) for rate in (listed.input_pico, listed.output_pico)]
    far = [str(Decimal(near[0]) * 1000), near[1]]
    with pytest.raises(CommandError, match=r"line 2: .*differ much.*listed: .*--yes"):
        run(tmp_path, row.format(*far))
    assert "Added 1" in run(tmp_path, row.format(*far), options=("--yes",))
    assert "Added 1" in run(tmp_path, row.format(near[0], Decimal(near[1]) * 2))
