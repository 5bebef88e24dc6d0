"""The engine's buckets of tokens are the ledger's columns."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from billing.models import DailyUsage, ModelPrice, UsageEvent, UsageTotal
from billing.models.bucket_columns import RATES, TOKENS
from billing.reports.sums import Sums
from billing.services.prices import Rates
from orchestration.engine.specs import BUCKETS, Usage


def test_usage_begins_with_the_buckets() -> None:
    assert [field.name for field in dataclasses.fields(Usage)] == [*BUCKETS, "reasoning"]


@pytest.mark.parametrize(
    ("table", "columns"),
    [
        *((table, TOKENS) for table in (UsageEvent, DailyUsage, UsageTotal, Sums)),
        *((table, RATES) for table in (ModelPrice, Rates)),
    ],
)
def test_every_bucket_has_its_column(table: Any, columns: tuple[str, ...]) -> None:
    fields = dataclasses.fields(table) if dataclasses.is_dataclass(table) else table._meta.get_fields()
    assert {field.name for field in fields} >= set(columns)
