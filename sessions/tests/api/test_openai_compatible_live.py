"""OpenAI's own client with a live server: it needs no patch and no option except the base URL."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from openai import (
    APIError,
    APIStatusError,
    AuthenticationError,
    BadRequestError,
    NotFoundError,
    OpenAI,
    PermissionDeniedError,
    RateLimitError,
)

from billing.models import Budget, UsageEvent
from billing.services.budgets import budget_save
from orchestration.tests.providers import Answer, Gate, Hold, OpenAIServer
from sessions.models import ChatSession, Turn
from sessions.tests.factories import bearer, make_agent, make_room
from sessions.tests.support.councils import ROUTE, SYNTHESIZE, decision, says
from sessions.tests.support.ledger import assert_ledger_matches
from sessions.tests.support.server_process import ServerProcess, until

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("nobody_runs")]

HELLO: list[Any] = [{"role": "user", "content": "Hello?"}]
TURNS = 8
"""What the server takes of a token in a minute; requests that it refuses for what they say count too."""

REFUSED = 2

USAGE = {"include_usage": True}


@pytest.fixture
def agents(alice, openai_model):
    return [make_agent(alice, key, openai_model) for key in ("ana", "bob")]


@pytest.fixture
def room(alice, agents, openai_server):
    openai_server.when(ROUTE, Answer(decision(("ana", "Count."), ("bob", "Doubt."))), always=True)
    openai_server.when(SYNTHESIZE, Answer(["To", "gether."]), always=True)
    for agent in agents:
        openai_server.when(says(agent.key), Answer(f"I am {agent.key}."), always=True)
    return make_room(alice, *agents, mode="orchestrator", goal="Decide well.")


@pytest.fixture
def server(alice, agents, tmp_path) -> Iterator[ServerProcess]:
    with ServerProcess(tmp_path, bearer(alice), PANTHEON_TOKEN_TURNS_PER_MINUTE=str(TURNS)) as server:
        yield server


def client_of(server: ServerProcess, authorization: str, **options: Any) -> Any:
    """Return a client, untyped: what is given to it is not always what its types allow."""
    secret = authorization.removeprefix("Bearer ")
    return OpenAI(base_url=f"http://127.0.0.1:{server.port}/v1", api_key=secret, **options)


def used() -> tuple[int, int]:
    """Return the tokens in the ledger: input and output."""
    events = UsageEvent.objects.all()
    return sum(event.usage.total_input for event in events), sum(event.usage.output for event in events)


def test_it_lists_and_chats_streamed_and_not(alice, room, server, openai_server: OpenAIServer) -> None:
    client = client_of(server, bearer(alice))
    model = f"room:board-{room.pk.hex[:4]}"
    assert client.models.retrieve(model).id == model
    assert {found.id for found in client.models.list()} == {model, "agent:ana", "agent:bob"}

    whole = client.chat.completions.create(model=model, messages=HELLO)
    assert whole.choices[0].message.content == "Together."
    assert (whole.usage.prompt_tokens, whole.usage.completion_tokens) == used()

    before = used()
    chunks = list(
        client.chat.completions.create(model=model, messages=HELLO, stream=True, stream_options=USAGE)
    )
    deltas = [choice.delta for chunk in chunks for choice in chunk.choices]
    assert "".join(delta.content or "" for delta in deltas) == "Together."
    reasoning = "".join(getattr(delta, "reasoning_content", None) or "" for delta in deltas)
    assert "I am ana." in reasoning
    assert "I am bob." in reasoning
    usage = chunks[-1].usage
    assert (usage.prompt_tokens, usage.completion_tokens) == (used()[0] - before[0], used()[1] - before[1])

    openai_server.queue(Answer(["Good ", "day."]), Answer(["Good ", "night."]))
    said = client.chat.completions.create(model="agent:ana", messages=HELLO).choices[0].message
    assert said.content == "Good day."
    with client.chat.completions.stream(model="agent:ana", messages=[*HELLO, said, *HELLO]) as stream:
        assert stream.until_done().get_final_completion().choices[0].message.content == "Good night."
    back = [*HELLO, said.model_dump(), *HELLO]
    assert client.chat.completions.create(model="agent:ana", messages=back).choices[0].message.content
    told = openai_server.served[-1].body["messages"]
    assert [message["role"] for message in told] == ["system", "user", "assistant", "user"]
    assert_ledger_matches(openai_server)


def test_who_hangs_up_does_not_stop_the_turn(alice, server, openai_server: OpenAIServer) -> None:
    gate = Gate()
    openai_server.queue(Answer(["Good ", "day."], reasoning=["Hm."], at={1: Hold(gate)}))
    client = client_of(server, bearer(alice))
    with client.chat.completions.create(model="agent:ana", messages=HELLO, stream=True) as stream:
        for chunk in stream:
            if chunk.choices[0].delta.content:
                break
    gate.open()
    until(lambda: Turn.objects.get().is_final)
    assert Turn.objects.get().messages.get(role="agent").text == "Good day."


def test_a_failing_provider_costs_one_paid_turn(alice, server, openai_server: OpenAIServer) -> None:
    """The client repeats what failed with 5xx, as it comes: unless it is told that this was paid for."""
    openai_server.default = Answer(status=401)
    client = client_of(server, bearer(alice))
    with pytest.raises(APIStatusError) as failed:
        client.chat.completions.create(model="agent:ana", messages=HELLO)
    assert (failed.value.status_code, failed.value.code) == (502, "provider_error")
    assert (Turn.objects.count(), len(openai_server.served)) == (1, 1)
    with pytest.raises(APIError) as streamed:
        list(client.chat.completions.create(model="agent:ana", messages=HELLO, stream=True))
    assert streamed.value.code == "provider_error"
    assert (Turn.objects.count(), len(openai_server.served)) == (2, 2)


def test_refusals_are_the_clients_own_exceptions(alice, bob, room, server, openai_server) -> None:
    client = client_of(server, bearer(alice), max_retries=0)
    with pytest.raises(BadRequestError) as bad:
        client.chat.completions.create(model="agent:ana", messages=HELLO, n=2)
    assert (bad.value.code, bad.value.param, bad.value.type) == (
        *("invalid_parameter", "n"),
        "invalid_request_error",
    )
    with pytest.raises(AuthenticationError):
        client_of(server, "Bearer nobody").models.list()
    with pytest.raises(NotFoundError):
        client_of(server, bearer(bob)).chat.completions.create(model=f"room:{room.pk}", messages=HELLO)
    with pytest.raises(PermissionDeniedError):
        client_of(server, bearer(alice, "read")).chat.completions.create(model="agent:ana", messages=HELLO)

    budget = budget_save(budget=Budget(scope="everyone", limit_pico=1, period="day"))
    with pytest.raises(APIStatusError) as poor:
        client.chat.completions.create(model="agent:ana", messages=HELLO)
    assert (poor.value.status_code, poor.value.code) == (402, "budget_exceeded")
    budget.delete()

    while Turn.objects.count() != TURNS - REFUSED:
        client.chat.completions.create(model="agent:ana", messages=HELLO)
    with pytest.raises(RateLimitError) as limited:
        client.chat.completions.create(model="agent:ana", messages=HELLO)
    assert int(limited.value.response.headers["Retry-After"]) >= 1
    assert ChatSession.objects.count() == len(openai_server.served) == TURNS - REFUSED
