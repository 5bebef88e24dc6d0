"""Calls cut while their model produces unseen output: their bill, and their share of hard budgets."""

from __future__ import annotations

import time
from typing import Any

import pytest

from billing.models import BudgetPeriod, ModelPrice, UsageEvent
from billing.selectors.unseen import (
    FASTEST_TOKENS_PER_S,
    OUTPUT_UNKNOWN,
    UPPER_BOUND,
    USUAL_OUTPUT_TOKENS,
)
from orchestration.engine.bounds import REQUEST_FRAME
from orchestration.engine.call_state import LULL_S
from orchestration.engine.specs import Usage
from orchestration.models import LlmModel
from orchestration.tests.providers import Answer, Gate, Hold, OpenAIServer, ProviderServer
from sessions.models import ChatSession
from sessions.tests.conftest import Api
from sessions.tests.factories import make_agent, make_model, make_session
from sessions.tests.support.budgeting import ask, budget
from sessions.tests.support.waiting import wait_for_event

pytestmark = pytest.mark.django_db(transaction=True)

LIMIT = 2_048
"""Output tokens that an answer may have."""
SILENT_S = 0.3
CANCELLED = '"type":"turn.cancelled"'


@pytest.fixture(params=["openai", "anthropic"])
def server(request) -> ProviderServer:
    return request.getfixturevalue(f"{request.param}_server")


@pytest.fixture
def session(alice, server) -> ChatSession:
    kind = "openai" if isinstance(server, OpenAIServer) else "anthropic"
    model = make_model(server, f"{kind}-model", kind=kind, max_output_tokens=LIMIT)
    return make_session(alice, make_agent(alice, "ana", model))


def cut(api: Api, session: ChatSession, server: ProviderServer, *pieces: str) -> UsageEvent:
    """Cancel a turn of a model that is silent after these pieces; return what is billed."""
    gate = Gate()
    server.queue(Answer([*pieces, "the rest"], at={len(pieces): Hold(gate)}))
    response = ask(api, session, background=True)
    assert response.status_code == 202, response.content
    turn_id = response.json()["id"]
    if pieces:
        wait_for_event(turn_id, f'"text":"{pieces[0]}"')
    gate.wait_until_reached()
    api.post(f"turns/{turn_id}/cancel")
    wait_for_event(turn_id, CANCELLED)
    gate.open()
    event: UsageEvent = UsageEvent.objects.get(turn_id=turn_id, purpose="reply")
    assert (event.status, event.source) == ("cancelled", "estimated")
    return event


def answer(api: Api, session: ChatSession, server: ProviderServer, *outputs: int, **usage: int) -> None:
    for output in outputs:
        server.queue(Answer("Yes.", usage=Usage(input=10, output=output, **usage)))
        assert ask(api, session).status_code == 201


def test_an_unseen_answer_is_billed_as_those_before(api, session, server) -> None:
    answer(api, session, server, 1000, 2000)
    event = cut(api, session, server)
    assert (event.output_tokens, event.flags) == (1500, [OUTPUT_UNKNOWN])
    # What was only estimated is no example for others.
    assert cut(api, session, server).output_tokens == 1500


def test_the_first_answer_is_billed_as_answers_usually_are(api, session, server) -> None:
    event = cut(api, session, server)
    assert (event.output_tokens, event.flags) == (USUAL_OUTPUT_TOKENS, [OUTPUT_UNKNOWN])


def test_no_unseen_answer_is_longer_than_it_may_be(api, session, server) -> None:
    answer(api, session, server, 9000)
    assert cut(api, session, server).output_tokens == LIMIT


def test_what_was_seen_is_counted(api, session, server) -> None:
    answer(api, session, server, 1000)
    event = cut(api, session, server, "One two three four.")
    assert (event.output_tokens, event.flags) == (5, [])


def test_thoughts_that_are_not_shown_count_beside_what_was_seen(api, session, server) -> None:
    answer(api, session, server, 1000, reasoning=900)
    event = cut(api, session, server, "One two three four.")
    assert (event.output_tokens, event.flags) == (1000, [OUTPUT_UNKNOWN])


def spent() -> int:
    return BudgetPeriod.objects.get().spent_pico


WAYS = {
    "silent": ([], ()),
    "reasons, then speaks": (["One "], ()),
    "shows some reasoning": (["One "], ("Let me see.",)),
}
"""What a model shows after it has worked unseen for SILENT_S."""


@pytest.mark.parametrize("known", [False, True], ids=["new", "known"])
@pytest.mark.parametrize("way", WAYS)
def test_no_hard_budget_is_overspent_by_cutting_calls(api, session, server, way: str, known: bool) -> None:
    """Neither short answers before nor what is shown makes a long one cheap that is cut."""
    if known:
        answer(api, session, server, 1)
    pieces, reasoning = WAYS[way]
    output_pico = ModelPrice.objects.get(
        model__in=LlmModel.objects.exclude(provider__kind="demo")
    ).output_pico
    hard = budget((LIMIT + 2_000) * output_pico)
    cuts: list[Any] = []
    while True:
        gate = Gate()
        held = {len(pieces): Hold(gate)}
        server.queue(Answer([*pieces, "the rest"], reasoning=reasoning, at=held, first_delay_s=SILENT_S))
        response = ask(api, session, background=True)
        if response.status_code == 402:
            break
        turn_id = response.json()["id"]
        gate.wait_until_reached()
        if pieces:
            wait_for_event(turn_id, '"text":"One "')
        time.sleep(0 if pieces else SILENT_S)
        api.post(f"turns/{turn_id}/cancel")
        wait_for_event(turn_id, CANCELLED)
        gate.open()
        cuts.append(UsageEvent.objects.get(turn_id=turn_id, purpose="reply"))
    assert cuts
    for event in cuts:
        assert event.output_tokens >= min(LIMIT, SILENT_S * FASTEST_TOKENS_PER_S)
        assert event.flags == [OUTPUT_UNKNOWN, UPPER_BOUND]
        if isinstance(server, OpenAIServer):  # the other provider counts the input before it answers
            assert event.input_tokens > REQUEST_FRAME
    assert spent() == sum(event.cost_pico for event in UsageEvent.objects.all()) <= hard.limit_pico


def test_a_pause_after_some_text_counts_as_unseen_work(api, session, server) -> None:
    budget(10**13)
    gate = Gate()
    server.queue(Answer(["One ", "two"], at={1: Hold(gate)}))
    turn_id = ask(api, session, background=True).json()["id"]
    wait_for_event(turn_id, '"text":"One "')
    time.sleep(1.0)
    api.post(f"turns/{turn_id}/cancel")
    wait_for_event(turn_id, CANCELLED)
    gate.open()
    event = UsageEvent.objects.get(turn_id=turn_id)
    assert event.output_tokens >= (1.0 - LULL_S) * FASTEST_TOKENS_PER_S


@pytest.mark.parametrize("is_held", [False, True])
def test_dense_text_counts_with_its_bound_under_a_hard_budget(api, session, server, is_held: bool) -> None:
    """Digits are a token each to some tokenizers, four to a token in our estimate."""
    if is_held:
        budget(10**13)
    digits = "3141592653589793" * 20
    event = cut(api, session, server, digits)
    assert event.output_tokens >= (len(digits) if is_held else len(digits) // 4)
    assert is_held or event.output_tokens == len(digits) // 4
    assert (UPPER_BOUND in event.flags) is is_held


def test_a_hard_budget_changes_no_figure_of_the_provider(api, session, server) -> None:
    answer(api, session, server, 1000)
    budget(10**13)
    answer(api, session, server, 1000)
    free, held = UsageEvent.objects.order_by("created_at")
    assert (held.usage, held.flags, held.source) == (free.usage, free.flags, free.source)


def test_an_answer_whose_provider_reports_no_usage_counts_with_its_bound(api, session, server) -> None:
    budget(10**13)
    digits = "3141592653589793" * 20
    server.queue(Answer(digits, tells_usage=False))
    assert ask(api, session).status_code == 201
    event = UsageEvent.objects.get()
    assert event.source == "estimated"
    assert OUTPUT_UNKNOWN not in event.flags
    assert event.output_tokens >= len(digits)
