"""Holds are never too small: whatever the earlier calls were, a hard budget is not overspent.

Providers count in the worst way for a tokenizer: a token for each byte of dense text, and next to none for spaces.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from accounts.models import User
from billing.models import Budget, BudgetPeriod, Hold, ModelPrice, UsageEvent
from billing.pricing import call_bound_pico
from billing.selectors.price_book import prices_now
from orchestration.engine.bounds import most_input
from orchestration.engine.context import build_request, reply_prompt
from orchestration.engine.ports import CallIntent, CallOutcome
from orchestration.engine.purposes import Purpose
from orchestration.engine.result import TurnResult
from orchestration.engine.specs import Usage, UsageReport
from orchestration.engine.steps import StepResult
from orchestration.models import LlmModel
from orchestration.tests.providers import Answer, Cut, Gate
from sessions.dispatch import use_dispatcher
from sessions.models import Call, Room, Turn
from sessions.selectors.calibration import Observation, observations
from sessions.services.calls import TurnCalls, call_close, call_cost, call_of_intent, calls_write
from sessions.services.leases import ClaimedTurn, turn_claim
from sessions.services.turn_accept import turn_accept
from sessions.services.turn_commit import turn_commit
from sessions.services.turn_request import TurnRequest
from sessions.tests.factories import RATES, make_agent, make_model, make_room, make_session, make_user
from sessions.tests.services.test_turn_commit import start_call
from sessions.tests.support.budgeting import ask, budget, estimate, high, pico
from sessions.tests.support.ledger import assert_ledger_matches, assert_nothing_to_audit
from sessions.tests.support.server_process import until
from web.errors import PantheonError

pytestmark = pytest.mark.django_db(transaction=True)

DENSE = "{~}|" * 24_750
SPACES = "x" + " " * 20_000 + "x"
HALF_A_DOLLAR = 5 * 10**11


def worst_case(text: str) -> int:
    """Count a token for each byte, and one for each 128 spaces."""
    spaces = text.count(" ")
    return len(text.encode()) - spaces + spaces // 128 + 1


@pytest.fixture
def model(openai_server) -> LlmModel:
    openai_server.count_input = worst_case
    openai_server.default = Answer("Yes.")
    return make_model(openai_server, "large", context_window=200_000)


@pytest.mark.parametrize("who", ["herself", "somebody else"])
def test_cheap_texts_before_do_not_admit_expensive_ones(
    api, api_of, alice, bob, model, openai_server, who
) -> None:
    agent, user = make_agent(alice, "ana", model), alice if who == "herself" else bob
    cheap = agent if user == alice else make_agent(bob, "ana", model)
    poisoner = api_of(user)
    for _ in range(21):
        assert ask(poisoner, make_session(user, cheap), SPACES).status_code == 201
    assert observations(user.pk) == {model.pk: Observation(0.25, opens_in_thought=False)}
    made = budget(HALF_A_DOLLAR, "user", target_id=alice.pk)
    gate = Gate()
    openai_server.default = Answer("Yes.", head_gate=gate)
    sessions = [make_session(alice, agent) for _ in range(10)]
    codes = [ask(api, session, DENSE, background=True).status_code for session in sessions]
    gate.open()
    until(lambda: not Turn.objects.active().exists())
    period, through = made.periods.get(), codes.count(202)
    assert set(codes) == {202, 402}
    assert period.spent_pico >= through * len(DENSE) * RATES["input_pico"]
    assert period.spent_pico <= HALF_A_DOLLAR
    assert period.held_pico == 0
    assert_ledger_matches(openai_server)


def test_the_texts_of_others_move_neither_estimates_nor_what_fits(api, api_of, alice, bob, model) -> None:
    mine, theirs = make_session(alice, make_agent(alice, "ana", model)), make_agent(bob, "ana", model)
    before = estimate(api, mine)
    for text in (SPACES, DENSE):
        assert ask(api_of(bob), make_session(bob, theirs), text).status_code == 201
    assert observations(bob.pk) != {}
    assert observations(alice.pk) == {}
    assert estimate(api, mine) == before


def test_own_texts_move_estimates_and_nothing_that_is_held(api, alice, model) -> None:
    agent = make_agent(alice, "ana", model)
    before = estimate(api, make_session(alice, agent), DENSE)
    assert ask(api, make_session(alice, agent), DENSE).status_code == 201
    after = estimate(api, make_session(alice, agent), DENSE)
    assert pico(after["low_usd"]) > 2 * pico(before["low_usd"])
    assert after["high_usd"] == before["high_usd"]


def test_calibrations_are_one_statement(api, alice, openai_server) -> None:
    agents = [make_agent(alice, key, make_model(openai_server, key)) for key in ("ana", "bob", "cy")]
    board = make_room(alice, *agents)
    ask(api, make_session(alice, board), "@all " + "hello " * 200)
    with CaptureQueriesContext(
        connection,
    ) as queries:
        assert len(observations(alice.pk)) == 3
    assert len(queries) == 1


@pytest.mark.parametrize("hard", [True, False])
def test_a_garbage_count_is_what_the_call_could_have_used(api, alice, model, openai_server, hard) -> None:
    """So that a budget counts it; what the provider sent is kept beside it."""
    agent = make_agent(alice, "ana", model)
    session = make_session(alice, agent)
    made = budget(10 * high(api, session), hard=hard)
    openai_server.queue(Answer("Yes.", usage=Usage(input=2**52, output=2**52)))
    assert ask(api, session).status_code == 201
    event, call = UsageEvent.objects.get(), Call.objects.get()
    assert event.usage == call.bound
    assert (event.source, event.flags) == ("estimated", ["cost_out_of_range"])
    assert event.raw_usage is not None
    assert event.raw_usage["prompt_tokens"] == 2**52
    assert event.cost_pico == made.periods.get().spent_pico > 0
    assert event.cost_pico <= high(api, make_session(alice, agent))
    assert ask(api, make_session(alice, agent)).status_code == 201
    assert_nothing_to_audit()


def test_what_is_cut_is_billed_no_less_after_cheap_texts(api, alice, model, openai_server) -> None:
    """The funds get back what a call did not cost: an estimate that could be lowered would pay for more calls."""
    agent = make_agent(alice, "ana", model)
    assert ask(api, make_session(alice, agent), SPACES).status_code == 201
    openai_server.queue(Answer(["Yes."] * 3, at={1: Cut()}))
    assert ask(api, make_session(alice, agent), DENSE).status_code >= 500
    use_dispatcher(None)
    request = TurnRequest(message=DENSE)
    turn = turn_accept(user=alice, session=make_session(alice, agent), request=request)
    start_call(claimed_of(turn), "ana", 1)
    Turn.objects.filter(pk=turn.pk).update(lease_expires_at="2020-01-01T00:00:00Z")
    claimed_of(turn)
    _, cut, lost = Call.objects.order_by("started_at")
    assert (cut.status, lost.status) == ("failed", "interrupted")
    for call in (cut, lost):
        assert call.context["estimate_after"] < call.context["estimate_raw"] / 3
        assert call.usage is not None
        assert call.usage["source"] == "estimated"
        assert call.usage["usage"]["input"] == call.context["estimate_raw"]


# --- Any past, any turns at once --------------------------------------------------------------------------------------

TEXTS = {
    "prose": "What do you think is the right way forward, and what have we not seen so far? ",
    "spaces": "x" + " " * 79,
    "signs": "{~}|<=>^" * 10,
    "CJK": "\u4e42\u9f98\u6211\u4eec\u7684" * 8,
    "base64": "Zm9vYmFyIGJhejEyMzQ1Njc4OTAr",
    "one-letter words": "a b q z x j " * 6,
}
RATE = st.integers(0, 5_000_000)


@dataclass(frozen=True)
class Asked:
    """A turn, and what the provider counts for each of its calls, as a share of the most that it can be."""

    text: str
    input_share: float
    output_share: float
    bucket: str
    over: int
    """Tokens that the provider counts above the bound."""


turns = st.builds(
    Asked,
    text=st.tuples(st.sampled_from(sorted(TEXTS)), st.integers(1, 40)).map(lambda t: TEXTS[t[0]] * t[1]),
    input_share=st.sampled_from([0.0, 0.02, 0.3, 1.0]),
    output_share=st.sampled_from([0.0, 0.1, 1.0]),
    bucket=st.sampled_from(["input", "cache_read", "cache_write_5m", "cache_write_1h"]),
    over=st.sampled_from([0, 0, 0, 7, 5_000]),
)


@dataclass(frozen=True)
class Made:
    """A call that is open, and the most input tokens that it can have."""

    claimed: ClaimedTurn
    plan: Asked
    intent: CallIntent
    most: int


def accepted(user: User, room: Room, text: str) -> Turn | None:
    request = TurnRequest(message=f"@all {text}")
    try:
        return turn_accept(user=user, session=make_session(user, room), request=request)
    except PantheonError as error:
        if error.code != "budget_exceeded":
            raise
        return None


def run_at_once(asked: list[tuple[Turn, Asked]]) -> int:
    """Run turns with every call open before the first ends; return in pico-USD what calls cost above their bounds."""
    claims = [(claimed_of(turn), plan) for turn, plan in asked]
    made = [call for claimed, plan in claims for call in calls_begin(claimed, plan)]
    excess = sum(call_end(call) for call in made)
    for claimed, _ in claims:
        answers = [answer_of(call.intent) for call in made if call.claimed is claimed]
        result = TurnResult("completed" if answers else "failed", tuple(answers))
        written = TurnCalls(list(Call.objects.filter(turn_id=claimed.turn_id).order_by("number")))
        turn_commit(claimed=claimed, result=result, last_event_seq=1, written=written)
    return excess


def claimed_of(turn: Turn) -> ClaimedTurn:
    claimed = turn_claim(turn_id=turn.pk, runner_id=uuid.uuid4())
    assert claimed is not None
    return claimed


def calls_begin(claimed: ClaimedTurn, plan: Asked) -> Iterator[Made]:
    """Make the calls that the funds cover, as the engine does."""
    for number, agent in enumerate(claimed.spec.roster, start=1):
        request, audit = build_request(claimed.spec, reply_prompt(claimed.spec, agent))
        most, call_id = most_input(request), str(uuid.uuid4())
        if claimed.funds and not claimed.funds.reserve(call_id, request, input_bound=most):
            continue
        context = {**audit, "input_bound": most, "output_bound": request.max_output_tokens}
        intent = CallIntent(call_id, str(uuid.uuid4()), f"reply:1:{agent.key}", 1, request, agent, 1, context)
        begun = call_of_intent(turn_id=claimed.turn_id, claim=claimed.claim, number=number, intent=intent)
        calls_write(turn_id=claimed.turn_id, claim=claimed.claim, new_call=begun)
        yield Made(claimed, plan, intent, most)


def call_end(made: Made) -> int:
    """End a call with what the provider counts; return what it cost above its bound."""
    plan, intent = made.plan, made.intent
    counted = made.most + plan.over if plan.over else int(made.most * plan.input_share)
    output = int(intent.request.max_output_tokens * plan.output_share)
    report = UsageReport(Usage(**{plan.bucket: counted}, output=output), "provider", {})
    outcome = CallOutcome(intent.call_id, "ok", "Yes.", report)
    call = Call.objects.get(pk=intent.call_id)
    call_close(call, outcome, at=timezone.now())
    calls_write(turn_id=made.claimed.turn_id, claim=made.claimed.claim, ended_calls=[call])
    cost = call_cost(call, prices_now())
    assert cost is not None
    if made.claimed.funds:
        made.claimed.funds.settle(uuid.UUID(intent.call_id), cost)
    return max(0, cost - bound_of(made))


def answer_of(intent: CallIntent) -> StepResult:
    return StepResult(intent.step_id, Purpose.REPLY, intent.agent, 1, "m", "complete", "Yes.")


def bound_of(made: Made) -> int:
    bound = call_bound_pico(
        input_tokens=made.most,
        output_tokens=made.intent.request.max_output_tokens,
        prices=ModelPrice.objects.filter(model_id=uuid.UUID(made.intent.request.model.id)),
        at=timezone.now(),
    )
    assert bound is not None
    return bound


@given(
    past=st.lists(turns, max_size=3),
    asked=st.lists(turns, min_size=1, max_size=5),
    limit=st.integers(0, 5 * 10**11),
    tier=st.tuples(st.integers(1, 5_000), RATE, RATE),
)
@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
def test_nothing_but_what_providers_count_above_the_bound_is_overspent(
    nobody_runs, past: list[Asked], asked: list[Asked], limit: int, tier: tuple[int, int, int]
) -> None:
    name = uuid.uuid4().hex[:12]
    user, model = make_user(name), make_model(alias=name, context_window=200_000)
    first, rate_in, rate_out = tier
    dearer = {**dict.fromkeys(RATES, rate_in), "output_pico": rate_out}
    ModelPrice.objects.create(
        model=model, effective_from="2026-01-01T00:00:00Z", min_input_tokens=first, source="test", **dearer
    )
    room = make_room(user, *(make_agent(user, key, model) for key in ("ana", "bob")))
    for plan in past:
        turn = accepted(user, room, plan.text)
        assert turn is not None
        run_at_once([(turn, plan)])
    spent_before = sum(event.cost_pico for event in UsageEvent.objects.filter(user_id=user.pk))
    made = budget(spent_before + limit, "user", target_id=user.pk)
    running = [(turn, plan) for plan in asked if (turn := accepted(user, room, plan.text)) is not None]
    assert held_of(made) <= limit
    excess = run_at_once(running)
    spent = sum(event.cost_pico for event in UsageEvent.objects.filter(user_id=user.pk)) - spent_before
    assert spent <= limit + excess
    assert held_of(made) == 0
    assert not Hold.objects.filter(resolved_at=None).exists()


def held_of(made: Budget) -> int:
    return sum(BudgetPeriod.objects.filter(budget=made).values_list("held_pico", flat=True))
