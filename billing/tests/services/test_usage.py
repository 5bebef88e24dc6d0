"""The only write path of usage: one priced event per call, and its day's rollup, or nothing."""

from __future__ import annotations

import dataclasses
import datetime as dt
import math
import uuid
from collections.abc import Sequence
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction

from billing.fields import MAX_PICO, MOST
from billing.models import ZERO_UUID, DailyUsage, UsageEvent, UsageTotal
from billing.pricing import PLAUSIBLE_TOKENS
from billing.selectors.price_book import prices_now
from billing.services.usage import MeteredCall, provider_cost_pico, usage_stage
from billing.tests.factories import NOON, RATES, USAGE_PICO, call, make_model, make_price, payer, report
from orchestration.engine.specs import Usage
from orchestration.models import LlmModel

LOCKS = int(connection.vendor == "postgresql")
"""Statements that lock the budgets' table."""

pytestmark = pytest.mark.django_db


@pytest.fixture
def model(db: None) -> LlmModel:
    return make_model()


def stage(*calls: MeteredCall, **who: Any) -> list[UsageEvent]:
    with transaction.atomic():
        return usage_stage(payer=payer(**who), calls=calls)


def test_a_call_becomes_an_event_of_the_same_id(model: LlmModel) -> None:
    made = call(model, purpose="evaluate", round=2, attempt=3, status="failed")
    stage(made)
    event = UsageEvent.objects.get()
    assert event.pk == made.id
    for name in ("agent_id", "agent_key", "purpose", "round", "attempt", "provider", "model_id", "status"):
        assert getattr(event, name) == getattr(made, name), name
    for name in ("model_asked", "model_served", "provider_request_id", "latency_ms", "first_token_ms"):
        assert getattr(event, name) == getattr(made, name), name
    for field in dataclasses.fields(payer()):
        assert getattr(event, field.name) == getattr(payer(), field.name), field.name
    assert event.created_at == made.ended_at
    assert event.corrects is None


def test_the_buckets_are_kept_apart(model: LlmModel) -> None:
    stage(call(model))
    event = UsageEvent.objects.get()
    assert (event.input_tokens, event.cache_read_tokens) == (100, 50)
    assert (event.cache_write_5m_tokens, event.cache_write_1h_tokens) == (20, 10)
    assert (event.output_tokens, event.reasoning_tokens) == (30, 5)
    assert event.raw_usage == {"prompt_tokens": 180}
    assert event.source == "provider"


def test_a_call_is_priced(model: LlmModel) -> None:
    stage(call(model))
    event = UsageEvent.objects.get()
    assert event.cost_pico == USAGE_PICO
    assert event.price == model.prices.get()


def test_a_call_costs_what_was_asked_when_it_ended(model: LlmModel) -> None:
    make_price(model, effective_from=NOON, input_pico=1, output_pico=1)
    before = call(model, ended_at=NOON - dt.timedelta(seconds=1), report=report(Usage(input=10)))
    after = call(model, ended_at=NOON, report=report(Usage(input=10)))
    stage(before, after)
    assert UsageEvent.objects.get(pk=before.id).cost_pico == 20_000_000
    assert UsageEvent.objects.get(pk=after.id).cost_pico == 10


def test_the_tier_goes_by_the_total_of_the_input(model: LlmModel) -> None:
    make_price(model, min_input_tokens=180, input_pico=7)
    stage(call(model), call(model, report=report(Usage(input=179))))
    tiers = [
        event.price and event.price.min_input_tokens for event in UsageEvent.objects.order_by("input_tokens")
    ]
    assert tiers == [180, 0]  # 100 fresh of 180 in all, and 179


def test_each_call_has_the_price_of_its_model(model: LlmModel) -> None:
    cheap = make_model("cheap", priced=False)
    make_price(
        cheap, input_pico=1, output_pico=1, cache_read_pico=0, cache_write_5m_pico=0, cache_write_1h_pico=0
    )
    stage(call(cheap), call(model), call(cheap))
    assert sorted(event.cost_pico or 0 for event in UsageEvent.objects.all()) == [130, 130, USAGE_PICO]


def test_an_unpriced_call_costs_null_and_not_0() -> None:
    stage(call(make_model(priced=False)))
    event = UsageEvent.objects.get()
    assert event.cost_pico is None
    assert event.price is None
    row = DailyUsage.objects.get()
    assert (row.calls, row.cost_pico, row.unpriced_calls) == (1, 0, 1)


def test_a_free_call_costs_0_and_is_priced() -> None:
    free = make_model(priced=False)
    rates = {"input_pico", "cache_read_pico", "cache_write_5m_pico", "cache_write_1h_pico", "output_pico"}
    make_price(free, **dict.fromkeys(rates, 0))
    stage(call(free))
    assert UsageEvent.objects.get().cost_pico == 0
    assert DailyUsage.objects.get().unpriced_calls == 0


def test_an_estimate_is_marked_and_counted_as_one(model: LlmModel) -> None:
    stage(call(model, report=report(source="estimated"), status="interrupted"), call(model))
    assert UsageEvent.objects.get(source="estimated").cost_pico == USAGE_PICO
    row = DailyUsage.objects.get()
    assert (row.calls, row.cost_pico, row.estimated_cost_pico) == (2, 2 * USAGE_PICO, USAGE_PICO)


def test_a_call_that_used_nothing_is_there_and_costs_0(model: LlmModel) -> None:
    stage(call(model, report=report(Usage(), "none"), status="failed"))
    event = UsageEvent.objects.get()
    assert (event.source, event.cost_pico) == ("none", 0)
    assert DailyUsage.objects.get().calls == 1


def test_who_has_no_agent_room_or_team_is_booked_on_nobody(model: LlmModel) -> None:
    stage(
        call(model, agent_id=None, agent_key=""),
        room_id=ZERO_UUID, room_name="", team_id=ZERO_UUID, team_name="", token_id=None,
    )  # fmt: skip
    event = UsageEvent.objects.get()
    assert (event.agent_id, event.room_id, event.team_id, event.token_id) == (*[ZERO_UUID] * 3, None)
    row = DailyUsage.objects.get()
    assert (row.agent_id, row.room_id, row.team_id) == (ZERO_UUID,) * 3


@pytest.mark.parametrize(
    ("said", "pico"),
    [
        (None, None),
        ("0", 0),
        ("0.00095", 950_000_000),
        ("1.5e-05", 15_000_000),
        ("0.0000000000004", 0),
        ("0.0000000000006", 1),
        ("1000000", MAX_PICO),
        ("1000000.01", None),
        ("-0.01", None),
        ("1e999999", None),
        ("NaN", None),
        ("sNaN", None),
        ("Infinity", None),
        ("", None),
        ("free", None),
    ],
)
def test_what_the_provider_says_it_charged_is_kept_beside(
    model: LlmModel, said: str | None, pico: int | None
) -> None:
    assert provider_cost_pico(said) == pico
    stage(call(model, report=report(cost_usd=said)))
    event = UsageEvent.objects.get()
    assert event.provider_cost_pico == pico
    assert event.cost_pico == USAGE_PICO


def test_flags_are_kept(model: LlmModel) -> None:
    stage(call(model, report=report(flags=("input_mismatch", "unknown_key:frobs"))))
    assert UsageEvent.objects.get().flags == ["input_mismatch", "unknown_key:frobs"]


def test_reasoning_beyond_the_output_is_cut_to_it(model: LlmModel) -> None:
    stage(call(model, report=report(Usage(output=10, reasoning=40))))
    assert UsageEvent.objects.get().reasoning_tokens == 10


def test_garbage_counts_cost_what_the_call_could_have_used(model: LlmModel) -> None:
    """2^53 tokens cost more than a column holds; the turn is committed all the same."""
    garbage = call(model, report=report(Usage(input=2**53)), bound=Usage(input=3_000, output=500))
    stage(garbage, call(model))
    bound_pico = 3_000 * RATES["input_pico"] + 500 * RATES["output_pico"]
    event = UsageEvent.objects.get(pk=garbage.id)
    assert (event.usage, event.cost_pico) == (garbage.bound, bound_pico)
    assert (event.source, event.flags) == ("estimated", ["cost_out_of_range"])
    assert event.raw_usage == {"prompt_tokens": 2**53}
    row = DailyUsage.objects.get()
    assert (row.calls, row.cost_pico, row.unpriced_calls) == (2, USAGE_PICO + bound_pico, 0)
    assert row.estimated_cost_pico == bound_pico


@pytest.mark.parametrize("bucket", ["input", "output"])
def test_absurd_counts_are_replaced_however_cheap_they_are(model: LlmModel, bucket: str) -> None:
    """A few of them would fill every budget, and their sum no column."""
    bound = Usage(input=3_000, output=500)
    for tokens, counts in ((PLAUSIBLE_TOKENS, True), (PLAUSIBLE_TOKENS + 1, False)):
        usage = Usage(**{bucket: tokens})
        made = call(model, report=report(usage), bound=bound)
        stage(made)
        assert UsageEvent.objects.get(pk=made.id).usage == (usage if counts else bound)
    wide = Usage(**{bucket: PLAUSIBLE_TOKENS})
    made = call(model, report=report(Usage(**{bucket: 10 * PLAUSIBLE_TOKENS})), bound=wide)
    stage(made)
    assert UsageEvent.objects.get(pk=made.id).usage != wide


def test_a_sum_that_is_full_stays_so(model: LlmModel) -> None:
    """No turn of anybody could be committed if an addition failed."""
    stage(call(model))
    DailyUsage.objects.update(cost_pico=MOST - 1)
    UsageTotal.objects.update(cost_pico=MOST - 1)
    stage(call(model))
    assert DailyUsage.objects.get().cost_pico == MOST
    assert {row.cost_pico for row in UsageTotal.objects.all()} == {MOST}
    assert DailyUsage.objects.get().calls == 2


def test_the_most_expensive_call_is_priced_as_counted(model: LlmModel) -> None:
    make_price(model, effective_from=NOON, input_pico=(rate := 10**12))
    tokens = MAX_PICO // rate
    bound = Usage(input=7)
    stage(
        call(model, report=report(Usage(input=tokens))),
        call(model, report=report(Usage(input=tokens + 1)), bound=bound),
    )
    costs = [event.cost_pico for event in UsageEvent.objects.order_by("-input_tokens")]
    assert costs == [MAX_PICO, 7 * rate]


def test_at_a_garbage_price_even_the_bound_is_unpriced(model: LlmModel) -> None:
    make_price(model, effective_from=NOON, input_pico=MAX_PICO)
    stage(call(model, report=report(Usage(input=2)), bound=Usage(input=3)))
    event = UsageEvent.objects.get()
    assert (event.cost_pico, event.price, event.usage.input) == (None, None, 2)
    assert (event.source, event.flags) == ("provider", ["cost_out_of_range"])


def test_takes_as_many_statements_for_50_calls_as_for_one(model: LlmModel, django_assert_num_queries) -> None:
    other = make_model("other")
    many = [
        call(one, agent_id=uuid.UUID(int=number), ended_at=NOON + dt.timedelta(hours=number))
        for number in range(25)
        for one in (model, other)
    ]
    prices_now()  # the process knows them from now on, and looks only whether one was added
    for calls in ([call(model)], many):
        statements = 6  # prices, events with the budgets' lock, budgets, hold, days, totals
        if (
            connection.vendor == "sqlite"
        ):  # which takes a limited number of parameters, and one thing at a time
            most = (connection.features.max_query_params or 0) // len(UsageEvent._meta.concrete_fields)
            statements = 5 + math.ceil(len(calls) / most)
        with transaction.atomic(), django_assert_num_queries(statements):
            usage_stage(payer=payer(), calls=calls)
    assert UsageEvent.objects.count() == 51


def test_no_calls_only_look_for_a_hold(django_assert_num_queries) -> None:
    with transaction.atomic(), django_assert_num_queries(1 + LOCKS):
        assert usage_stage(payer=payer(), calls=[]) == []


def refuse(*calls: MeteredCall) -> None:
    with pytest.raises(IntegrityError):
        stage(*calls)


def totals() -> Sequence[tuple[int, int]]:
    return [(row.calls, row.cost_pico) for row in DailyUsage.objects.all()]


def test_the_same_call_is_not_billed_twice(model: LlmModel) -> None:
    made = call(model)
    stage(made)
    refuse(made)
    refuse(call(model), made)
    again = call(model)
    refuse(again, again)
    assert [event.pk for event in UsageEvent.objects.all()] == [made.id]
    assert totals() == [(1, USAGE_PICO)]


def test_what_the_database_refuses_leaves_nothing(model: LlmModel) -> None:
    refuse(call(model), call(model, report=report(Usage(output=5), "none")))
    assert not UsageEvent.objects.exists()
    assert not DailyUsage.objects.exists()


def test_events_and_rollup_go_with_the_transaction(model: LlmModel) -> None:
    with transaction.atomic():
        usage_stage(payer=payer(), calls=[call(model)])
        assert totals() == [(1, USAGE_PICO)]
        transaction.set_rollback(True)
    assert not UsageEvent.objects.exists()
    assert not DailyUsage.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_is_refused_outside_a_transaction() -> None:
    model = make_model()
    with pytest.raises(transaction.TransactionManagementError):
        usage_stage(payer=payer(), calls=[call(model)])
    assert not UsageEvent.objects.exists()
    assert not DailyUsage.objects.exists()


@pytest.mark.parametrize(
    ("share", "flags", "expected"),
    [
        (1.0, (), []),
        (1.05, (), []),
        (0.5, (), ["cost_differs"]),
        (25.0, (), ["cost_differs"]),
        (0.05, ("cost_in_parts",), ["cost_in_parts"]),
        (None, (), []),
    ],
)
def test_a_providers_cost_far_from_ours_is_flagged(
    model: LlmModel, share: float | None, flags: tuple[str, ...], expected: list[str]
) -> None:
    make_price(model)
    usage = Usage(input=1_000_000, output=100_000)
    [priced] = stage(call(model, report=report(usage)))
    assert priced.cost_pico
    cost_usd = None if share is None else f"{priced.cost_pico * share / 10**12:.9f}"
    [event] = stage(call(model, report=report(usage, flags=flags, cost_usd=cost_usd)))
    assert event.flags == expected
