"""A turn's receipt: every line can be recomputed from what it shows."""

from __future__ import annotations

import re
from decimal import Decimal

import pytest
from django.urls import reverse

from accounts.tests.support.admin_site import static_files_as_they_are
from billing.fields import usd_text
from billing.models import ModelPrice, UsageEvent
from billing.services.reprice import events_reprice, model_events_correct
from billing.tests.factories import USAGE, USAGE_PICO
from orchestration.models import LlmModel
from sessions.models import Call, ChatSession, Turn
from sessions.pages.receipt import receipt_of
from sessions.selectors.pages import turn_rows
from sessions.tests.factories import RATES, make_agent, make_model, make_session
from sessions.tests.support.pages import add_turns, browser, text_of

__all__ = ["static_files_as_they_are"]

pytestmark = pytest.mark.django_db

SPLIT = re.compile(r"<span>(\d+) ([^<]+?) × ([\d.]+)</span>")
RATES_SHOWN = ["2.00", "0.20", "2.50", "4.00", "10.00"]


@pytest.fixture
def model() -> LlmModel:
    return make_model(priced=False)


@pytest.fixture
def session(alice, model) -> ChatSession:
    return make_session(alice, make_agent(alice, "ana", model))


@pytest.fixture
def event(session, model) -> UsageEvent:
    return billed_call(session, model)


def billed_call(session, model, **fields) -> UsageEvent:
    """Return a call with tokens in every bucket, unpriced unless `fields` has a price and cost."""
    [turn] = add_turns(session, model, 1, answers=0)
    call = Call.objects.create(
        turn=turn,
        claim=1,
        number=1,
        step_id=turn.pk,
        purpose="reply",
        model=model,
        status="ok",
        committed=True,
    )
    return UsageEvent.objects.create(
        id=call.pk,
        user_id=turn.user_id,
        session_id=session.pk,
        turn_id=turn.pk,
        mode=turn.mode,
        purpose="reply",
        provider="test",
        model=model,
        model_asked=model.alias,
        source="provider",
        status="ok",
        input_tokens=USAGE.input,
        cache_read_tokens=USAGE.cache_read,
        cache_write_5m_tokens=USAGE.cache_write_5m,
        cache_write_1h_tokens=USAGE.cache_write_1h,
        output_tokens=USAGE.output,
        reasoning_tokens=USAGE.reasoning,
        **fields,
    )


def receipt(alice, session: ChatSession) -> str:
    page = text_of(browser(alice).get(reverse("session", args=[session.pk])))
    return page[page.index('class="receipt"') :].partition("</details>")[0]


def test_an_unpriced_call_shows_its_buckets_and_no_rate(alice, session, event):
    shown = receipt(alice, session)
    for part in (
        "100 uncached input",
        "50 cache read",
        "20 cache write 5 min",
        "10 cache write 1 h",
        "30 output",
    ):
        assert f"<span>{part}</span>" in shown
    assert "5 reasoning" in shown
    assert "<span>unpriced</span>" in shown
    assert not SPLIT.search(shown)


def test_a_correction_shows_its_rates_and_the_cost_follows_from_the_line(alice, session, event, model):
    ModelPrice.objects.create(model=model, effective_from="2026-01-01T00:00:00Z", source="test", **RATES)
    [found] = events_reprice(start=event.created_at)
    shown = receipt(alice, session)
    split = SPLIT.findall(shown)
    assert [rate for _, _, rate in split] == RATES_SHOWN
    assert "price per 1M tokens" in shown
    cost = sum((int(tokens) * Decimal(rate) for tokens, _, rate in split), Decimal(0)) / 1_000_000
    assert cost * 10**12 == found.cost_pico
    assert f'title="{cost.normalize():f} USD"' in shown


def test_a_line_shows_the_price_that_it_was_billed_with(alice, session, event, model):
    ModelPrice.objects.create(model=model, effective_from="2026-01-01T00:00:00Z", source="test", **RATES)
    events_reprice(start=event.created_at)
    dearer = {name: 2 * rate for name, rate in RATES.items()}
    ModelPrice.objects.create(model=model, effective_from="2026-01-02T00:00:00Z", source="test", **dearer)
    assert [rate for _, _, rate in SPLIT.findall(receipt(alice, session))] == RATES_SHOWN


def test_a_corrected_call_shows_what_it_was_billed_at(alice, session, model):
    moment = {"model": model, "effective_from": "2026-01-01T00:00:00Z", "source": "test"}
    price = ModelPrice.objects.create(**moment, **{name: 2 * rate for name, rate in RATES.items()})
    event = billed_call(session, model, price=price, cost_pico=2 * USAGE_PICO)
    assert "corrected" not in receipt(alice, session)
    for factor, is_corrected in ((1, True), (2, False)):
        ModelPrice.objects.create(**moment, **{name: factor * rate for name, rate in RATES.items()})
        model_events_correct(model=model, start=event.created_at, reason="typing error", actor_id=None)
        assert ("(corrected, was $0.0012)" in receipt(alice, session)) == is_corrected


def test_the_receipt_says_which_effort_was_sent(alice, session, event):
    assert "effort" not in receipt(alice, session)
    Call.objects.update(reasoning_effort="high")
    assert "· effort high" in receipt(alice, session)


def test_the_receipt_says_what_caching_saved(alice, session, model):
    price = ModelPrice.objects.create(
        model=model, effective_from="2026-01-01T00:00:00Z", source="test", **RATES
    )
    billed_call(session, model, price=price, cost_pico=USAGE_PICO)
    saved = 50 * (2_000_000 - 200_000) - 20 * 500_000 - 10 * 2_000_000
    assert f'Prompt caching saved <span title="{usd_text(saved)} USD">' in receipt(alice, session)


def test_prices_are_read_with_the_events(session, event, model, django_assert_num_queries):
    ModelPrice.objects.create(model=model, effective_from="2026-01-01T00:00:00Z", source="test", **RATES)
    events_reprice(start=event.created_at)
    with django_assert_num_queries(5):  # turns, messages, calls, bill, versions
        [rows] = turn_rows(list(Turn.objects.all()))
        [line] = receipt_of(rows)
    assert line.priced
