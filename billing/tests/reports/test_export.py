"""CSV files are safe in spreadsheets: no name that a person chose starts a formula."""

from __future__ import annotations

import codecs
import csv
import io
import re
import uuid
from pathlib import Path

import pytest
from django.utils import timezone
from hypothesis import example, given
from hypothesis import strategies as st

from accounts.tests.support.admin_site import static_files_as_they_are, superuser
from accounts.tests.support.bodies import body_of
from accounts.tests.support.clients import make_user
from billing.reports.export import amount, cell, lines
from billing.tests.factories import make_model
from billing.tests.support.daily import bill

__all__ = ["static_files_as_they_are"]

ROOT = Path(__file__).parents[3]
SIGNS = "=+-@|＝＋－＠｜﹦﹢﹣﹫−"
BLANKS = ' "\n\x0b\x0c\x00\x1f\x85\xa0\u2028\u3000\u200b\u200d\u200e\u202e\u2060\ufe0f\ufeff\xad'
NUMBER = re.compile(r"[+-]?[0-9]+(\.[0-9]+)?( ?%)?")
HOSTILE = [
    "x;=1+1;y",
    'x;"=1+1"',
    "x\n=1+1",
    "x\r\n-2+3",
    "\u200b=1",
    "\xa0 @SUM(A1)",
    "＝1+1",
    '"=1"',
    "=cmd|' /C calc'!A0",
    "|calc",
    "a;b;",
    "-",
]
pieces = st.one_of(st.sampled_from(list(SIGNS + BLANKS + "\t\r;,'a1")), st.characters(codec="utf-8"))
texts = st.lists(pieces, max_size=12).map("".join)


def looks_like_a_formula(found: str) -> bool:
    return found.lstrip(BLANKS + "\t\r").startswith(tuple(SIGNS)) and not NUMBER.fullmatch(found)


def cells_of(document: str, delimiter: str) -> list[str]:
    return [
        found for row in csv.reader(io.StringIO(document, newline=""), delimiter=delimiter) for found in row
    ]


@given(st.lists(texts, min_size=1, max_size=4), st.integers(-(10**15), 10**15))
@example(HOSTILE, -5)
@example(["a", "x;=1+1;y"], -5)
def test_no_cell_begins_as_a_formula_whatever_separates_cells(values: list[str], pico: int) -> None:
    document = lines([("id", *values, amount(pico), pico), ("id", *reversed(values))])
    for delimiter in ",;\t":
        assert [found for found in cells_of(document, delimiter) if looks_like_a_formula(found)] == []


@given(texts)
def test_a_text_loses_nothing(text: str) -> None:
    [found] = cells_of(lines([("x" + text,)]), ",")
    assert found.replace("'", "") == f"x{text}".replace("'", "")


def test_numbers_stay_numbers_and_texts_are_in_quotes() -> None:
    row = ("reply", -3, amount(-12), amount(-5_000_000_000_000), None, "-1.5", "+100.0%", 'a "b"')
    assert lines([row]) == '"reply",-3,-0.000000000012,-5.00,"","-1.5","+100.0%","a ""b"""\r\n'


@pytest.mark.parametrize(
    "text", ["Board", "a - b", "1 + 1 = 2", "O'Neill; and others", "ana@example.com", "x|y"]
)
def test_a_harmless_text_stays_as_it_is(text: str) -> None:
    assert cell(text) == text


@pytest.mark.django_db
@pytest.mark.filterwarnings("ignore:StreamingHttpResponse must consume asynchronous")
def test_a_file_of_events_has_no_formula() -> None:
    model, alice = make_model(), make_user("alice")
    for name in HOSTILE:
        bill(model, alice, timezone.now(), room_name=name, room_id=uuid.uuid4())
    browser = superuser()
    for path in ("/admin/costs/events.csv", "/admin/costs/shown.csv?group_by=room", "/admin/costs/teams.csv"):
        response = browser.get(path)
        content = body_of(response)
        for delimiter in ",;":
            found = [
                one for one in cells_of(content.decode("utf-8-sig"), delimiter) if looks_like_a_formula(one)
            ]
            assert found == [], path


@pytest.mark.django_db
@pytest.mark.filterwarnings("ignore:StreamingHttpResponse must consume asynchronous")
@pytest.mark.parametrize("billed", [True, False])
def test_files_for_people_begin_with_a_byte_order_mark_and_the_api_s_does_not(billed: bool) -> None:
    if billed:
        bill(make_model(), make_user("alice"), timezone.now(), room_name="Zürich 東京", room_id=uuid.uuid4())
    browser = superuser()
    mark = codecs.BOM_UTF8
    for name in ("shown.csv", "events.csv", "teams.csv"):
        content = body_of(browser.get(f"/admin/costs/{name}"))
        assert content.startswith(mark + b'"')
        assert content.count(mark) == 1
    assert body_of(browser.get("/api/v1/admin/usage/export.csv")).startswith(b'"id"')


def test_every_csv_file_is_written_by_one_function() -> None:
    writers = [
        str(path.relative_to(ROOT))
        for package in ("accounts", "billing", "orchestration", "pantheon", "sessions")
        for path in (ROOT / package).rglob("*.py")
        if "tests" not in path.parts and re.search(r"csv\.(writer|DictWriter)", path.read_text())
    ]
    assert writers == ["billing/reports/export.py"]
