"""Usage objects as buckets: the traps, and that no object causes a crash."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestration.engine.specs import Usage, UsageReport
from orchestration.gateway.anthropic_messages import USAGE_KEYS as ANTHROPIC_KEYS
from orchestration.gateway.anthropic_messages import MessagesReader
from orchestration.gateway.anthropic_messages import merged_usage as anthropic_merged
from orchestration.gateway.anthropic_messages import usage_report as anthropic_report
from orchestration.gateway.openai_chat import USAGE_KEYS as OPENAI_KEYS
from orchestration.gateway.openai_chat import ChatReader
from orchestration.gateway.openai_chat import usage_report as openai_report
from orchestration.gateway.usage import MAX_FLAGS, MAX_UNKNOWN_KEYS, readable
from orchestration.tests.providers.anthropic_server import anthropic_usage
from orchestration.tests.providers.openai_server import openai_usage


def openai(prompt: Any = 100, completion: Any = 50, total: Any = 150, **more: Any) -> UsageReport:
    return openai_report(
        {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": total, **more}
    )


class TestOpenAI:
    def test_prompt_tokens_include_the_cached(self) -> None:
        report = openai(prompt_tokens_details={"cached_tokens": 60, "cache_write_tokens": 30})
        assert report.usage == Usage(input=10, cache_read=60, cache_write_5m=30, output=50)
        assert report.usage.total_input == 100
        assert (report.source, report.flags) == ("provider", ())

    def test_more_cached_than_there_was_is_flagged(self) -> None:
        report = openai(prompt_tokens_details={"cached_tokens": 160})
        assert report.usage == Usage(input=0, cache_read=160, output=50)
        assert report.flags == ("input_mismatch",)

    @pytest.mark.parametrize("total", [149, 151, 0])
    def test_a_total_that_does_not_add_up_is_flagged(self, total: int) -> None:
        report = openai(total=total, completion_tokens_details={"reasoning_tokens": 5})
        assert report.usage.output == 50
        assert report.flags == ("output_mismatch",)

    def test_thoughts_outside_the_completion_count(self) -> None:
        named = openai(total=190, completion_tokens_details={"reasoning_tokens": 40})
        assert (named.usage.output, named.usage.reasoning, named.flags) == (90, 40, ())
        unnamed = openai(total=190)
        assert (unnamed.usage.output, unnamed.usage.reasoning, unnamed.flags) == (
            90,
            40,
            ("output_mismatch",),
        )

    def test_more_reasoning_than_output(self) -> None:
        within = openai(completion_tokens_details={"reasoning_tokens": 80})
        assert (within.usage.output, within.usage.reasoning, within.flags) == (50, 50, ("output_mismatch",))
        outside = openai(total=None, completion_tokens_details={"reasoning_tokens": 80})
        assert (outside.usage.output, outside.usage.reasoning) == (130, 80)

    @pytest.mark.parametrize("prompt", [None, 0, -3, "100", 1.5])
    def test_a_missing_prompt_count_is_for_the_caller_to_estimate(self, prompt: Any) -> None:
        report = openai(prompt, total=None)
        assert report.source == "estimated"
        assert "missing_input" in report.flags
        assert report.usage.output == 50

    def test_a_missing_completion_count(self) -> None:
        report = openai(completion=None, total=None)
        assert (report.source, report.flags) == ("estimated", ("missing_output",))

    def test_unknown_keys_are_flagged_by_their_path(self) -> None:
        report = openai(video_seconds=3, prompt_tokens_details={"cached_tokens": 0, "smell_tokens": 4})
        assert report.flags == ("unknown_key:video_seconds", "unknown_key:prompt_tokens_details.smell_tokens")
        assert report.raw is not None
        assert report.raw["video_seconds"] == 3

    def test_few_of_many_unknown_keys_are_flagged(self) -> None:
        report = openai(prompt=None, **{f"x{number}": number for number in range(1_000)})
        assert len(report.flags) == 21
        assert "missing_input" in report.flags

    @pytest.mark.parametrize(
        ("cost", "text"),
        [
            (0.0021548, "0.0021548"),
            (0, "0"),
            (1e-7, "0.0000001"),
            (1.23e-13, "0"),
            (12, "12"),
            (100.0, "100"),
        ],
    )
    def test_cost(self, cost: float, text: str) -> None:
        assert openai(cost=cost).provider_cost_usd == text

    @pytest.mark.parametrize("cost", [-1, float("nan"), float("inf"), 10**9, "0.1", {"total": 1}, True])
    def test_a_cost_that_is_none(self, cost: Any) -> None:
        report = openai(cost=cost)
        assert report.provider_cost_usd is None
        assert report.flags == ("bad_value:cost",)

    def test_whole_floats_are_counts(self) -> None:
        assert openai(100.0, 50.0, 150.0).usage == Usage(input=100, output=50)


class TestAnthropic:
    def test_input_tokens_exclude_the_cached(self) -> None:
        usage = Usage(input=10, cache_read=60, cache_write_5m=3, cache_write_1h=4, output=50, reasoning=20)
        report = anthropic_report(anthropic_usage(usage))
        assert (report.usage, report.source, report.flags) == (usage, "provider", ())

    def test_writes_without_a_split_last_5_minutes(self) -> None:
        report = anthropic_report({"input_tokens": 1, "output_tokens": 2, "cache_creation_input_tokens": 7})
        assert report.usage == Usage(input=1, cache_write_5m=7, output=2)

    def test_a_split_that_does_not_sum_to_its_total(self) -> None:
        split = {"ephemeral_5m_input_tokens": 1, "ephemeral_1h_input_tokens": 4}
        report = anthropic_report(
            {
                "input_tokens": 1,
                "output_tokens": 2,
                "cache_creation_input_tokens": 10,
                "cache_creation": split,
            }
        )
        assert report.usage == Usage(input=1, cache_write_5m=6, cache_write_1h=4, output=2)
        assert report.flags == ("input_mismatch",)

    def test_the_last_usage_counts_and_is_not_added(self) -> None:
        start = {"input_tokens": 10, "cache_read_input_tokens": 5, "service_tier": "standard"}
        first, _ = anthropic_merged(start, {"output_tokens": 100, "input_tokens": None})
        last, fell = anthropic_merged(first, {"output_tokens": 250})
        assert not fell
        assert anthropic_report(last).usage == Usage(input=10, cache_read=5, output=250)

    def test_an_empty_object(self) -> None:
        assert anthropic_report({}).flags == ("missing_input", "missing_output")


def keys(first: int, number: int) -> dict[str, int]:
    return {f"x{name}": 1 for name in range(first, first + number)}


def test_a_large_usage_object_is_not_carried_along() -> None:
    """Objects of one answer are merged again and again; a large one would keep the worker busy."""
    reader = MessagesReader()
    reader.feed({"type": "message_start", "message": {"usage": {**keys(0, 1_000), "input_tokens": 7}}})
    for number in range(1, 5):
        usage = {**keys(1_000 * number, 1_000), "iterations": [[0] * 1_000] * 1_000, "output_tokens": number}
        reader.feed({"type": "message_delta", "usage": usage, "delta": {"stop_reason": "end_turn"}})
    report = reader.final_report()
    assert report is not None
    assert report.usage == Usage(input=7, output=4)
    assert report.raw is not None
    assert len(json.dumps(report.raw)) < 1_000
    assert len(report.flags) <= MAX_UNKNOWN_KEYS


def test_usage_in_many_choices_is_not_read_from_all() -> None:
    reader = ChatReader()
    usage = {"prompt_tokens": 5, "completion_tokens": 6, "total_tokens": 11}
    choices = [
        {"index": 0, "finish_reason": "stop", "usage": keys(10 * number, 10)} for number in range(1_000)
    ]
    reader.feed({"choices": [*choices, {"index": 1, "usage": usage}]})
    report = reader.final_report()
    assert report is not None
    assert (report.usage.total_input, report.usage.output) == (5, 6)
    assert len(report.flags) <= MAX_UNKNOWN_KEYS


def test_objects_with_ever_new_keys_do_not_pile_up_flags() -> None:
    reader = ChatReader()
    for number in range(200):
        # The counts rise and fall in turn, so that each object is merged with the one before.
        usage = {"prompt_tokens": 5, "completion_tokens": 9 - number % 2, **keys(10 * number, 10)}
        reader.feed({"choices": [], "usage": usage})
    report = reader.final_report()
    assert report is not None
    assert report.usage.output == 9
    assert len(report.flags) <= MAX_FLAGS + 1


def test_values_of_a_usage_object_are_limited() -> None:
    deep: Any = 1
    for _ in range(50):
        deep = [deep]
    raw = readable(
        {"prompt_tokens": 3, "cost_details": {"note": "x" * 5_000, "deep": deep}, "iterations": [0] * 5_000},
        OPENAI_KEYS,
    )
    assert raw["prompt_tokens"] == 3
    assert len(json.dumps(raw)) < 2_500


COUNTS = st.none() | st.integers() | st.floats() | st.text() | st.booleans() | st.lists(st.integers())


def objects(keys: Any) -> st.SearchStrategy[dict[str, Any]]:
    """Return objects with the known names and any values."""
    names = {name: st.sampled_from(sorted(known)) | st.text() for name, known in keys.items()}
    inner = {name: st.dictionaries(names[name], COUNTS) | COUNTS for name in keys if name}
    return st.tuples(st.dictionaries(names[""], COUNTS), st.fixed_dictionaries({}, optional=inner)).map(
        lambda pair: pair[0] | pair[1]
    )


def check(report: UsageReport) -> None:
    usage = report.usage
    for count in (
        usage.input,
        usage.cache_read,
        usage.cache_write_5m,
        usage.cache_write_1h,
        usage.output,
        usage.reasoning,
    ):
        assert isinstance(count, int)
        assert 0 <= count <= 2**55
    assert usage.reasoning <= usage.output
    assert "\\u0000" not in json.dumps([report.raw, report.flags], allow_nan=False)


@given(objects(OPENAI_KEYS))
def test_no_openai_object_crashes(raw: dict[str, Any]) -> None:
    check(openai_report(raw))


@given(objects(ANTHROPIC_KEYS), objects(ANTHROPIC_KEYS))
def test_no_anthropic_object_crashes(start: dict[str, Any], delta: dict[str, Any]) -> None:
    merged, _ = anthropic_merged(start, delta)
    check(anthropic_report(merged))
    assert anthropic_report(merged).usage.output >= anthropic_report(start).usage.output


TOKENS = st.integers(0, 10**7)


@given(st.builds(Usage, st.integers(1, 10**7), TOKENS, TOKENS, st.just(0), TOKENS))
def test_what_openai_bills_is_read_back_bit_for_bit(usage: Usage) -> None:
    report = openai_report(openai_usage(usage))
    assert (report.usage, report.flags) == (usage, ())


@given(st.builds(Usage, st.integers(1, 10**7), TOKENS, TOKENS, TOKENS, TOKENS))
def test_what_anthropic_bills_is_read_back_bit_for_bit(usage: Usage) -> None:
    report = anthropic_report(anthropic_usage(usage))
    assert (report.usage, report.flags) == (usage, ())
