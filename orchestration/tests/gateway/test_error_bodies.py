"""Error bodies of any size and depth are read with bounded work."""

from __future__ import annotations

import json
import re

from orchestration.gateway import overflows
from orchestration.gateway.error_bodies import MAX_PATH_CHARS, MAX_TOTAL_CHARS, ErrorFacts, facts_of
from orchestration.gateway.overflows import overflow_of


def test_many_long_texts_are_read_up_to_a_total() -> None:
    facts = facts_of({"errors": [{"message": f"{place} " + "x" * 3000} for place in range(100)]})
    assert sum(map(len, facts.texts)) == MAX_TOTAL_CHARS
    assert facts.texts[0].startswith("0 ")


def test_paths_are_short() -> None:
    facts = facts_of({"param": "p" * 10_000, "loc": ["body", *["deep"] * 10_000]})
    assert facts.paths
    assert all(len(path) <= MAX_PATH_CHARS for path in facts.paths)


def test_an_error_inside_texts_is_still_found() -> None:
    body = {"message": "upstream: " + json.dumps({"error": {"code": "context_length_exceeded"}})}
    assert "context_length_exceeded" in facts_of(body).codes


def test_no_pattern_reads_a_run_of_digits_of_any_length() -> None:
    patterns = [
        *overflows.OUTPUT,
        *overflows.LIMITS,
        *overflows.REQUESTED,
        *overflows.INPUT,
        *overflows.ADDED,
    ]
    assert [pattern for pattern in patterns if re.search(r"(\\d|\[\\d,\])[*+]", pattern)] == []
    text = "maximum context length is 128000 tokens. However, you requested 200,000 tokens " + "1" * 3000
    overflow = overflow_of(ErrorFacts(texts=[text]))
    assert overflow is not None
    assert (overflow.limit, overflow.requested) == (128_000, 200_000)
