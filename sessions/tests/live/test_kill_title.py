"""`kill -9` around a title: the provider's count matches the ledger, and a finished title is not asked for again."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from billing.models import UsageEvent
from orchestration.tests.providers import Answer, Gate
from sessions.models import Call, ChatSession, Turn
from sessions.tests.factories import bearer, make_agent, make_room, make_session
from sessions.tests.support.councils import says
from sessions.tests.support.ledger import assert_ledger_matches
from sessions.tests.support.server_process import ServerProcess, until

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("nobody_runs")]

TITLES = "You write titles"


@pytest.fixture
def session(alice, openai_model):
    return make_session(alice, make_room(alice, make_agent(alice, "ana", openai_model)))


@pytest.fixture
def new_server(alice, tmp_path) -> Iterator[Callable[[], ServerProcess]]:
    authorization = bearer(alice)
    servers: list[ServerProcess] = []

    def start() -> ServerProcess:
        servers.append(ServerProcess(tmp_path, authorization, PANTHEON_TITLES="1"))
        return servers[-1].start().wait_until_up()

    yield start
    for server in servers:
        server.kill()
        print(server.log())  # noqa: T201  (shown where the test failed)


def ask(server: ServerProcess, session: ChatSession) -> Turn:
    status, turn = server.post(
        f"sessions/{session.pk}/turns", {"message": "@ana Shall we?", "background": True}
    )
    assert status == 202
    return Turn.objects.get(pk=turn["id"])


def ended(server: ServerProcess, turn: Turn) -> None:
    assert server.read(f"turns/{turn.pk}/events").wait()[-1].type == "turn.completed"
    turn.refresh_from_db()


def title_events() -> list[tuple[str, str]]:
    events = UsageEvent.objects.filter(purpose="title").order_by("created_at")
    return [(event.status, event.source) for event in events]


def title_of(session: Any) -> str:
    return ChatSession.objects.get(pk=session.pk).title


def test_killed_while_the_title_is_written(new_server, session, openai_server) -> None:
    gate, silent = Gate(), Gate()  # without an answer yet, the title is not given up
    openai_server.when(says("ana"), Answer("Never", head_gate=silent), Answer("Yes."))
    openai_server.when(TITLES, Answer("Never", head_gate=gate), Answer("The plan"))
    first = new_server()
    turn = ask(first, session)
    gate.wait_until_reached()
    silent.wait_until_reached()
    first.kill()
    assert title_of(session) == "Shall we?"
    ended(new_server(), turn)
    assert (turn.claim, title_of(session)) == (2, "The plan")
    assert sorted(title_events()) == [("interrupted", "estimated"), ("ok", "provider")]
    assert_ledger_matches(openai_server)


def test_killed_after_the_title_and_before_the_answer(new_server, session, openai_server) -> None:
    gate = Gate()
    openai_server.when(says("ana"), Answer("Never", head_gate=gate), Answer("Yes."))
    openai_server.when(TITLES, Answer("The plan"), Answer("Another plan"))
    first = new_server()
    turn = ask(first, session)
    gate.wait_until_reached()
    until(Call.objects.filter(purpose="title", status="ok").exists)
    first.kill()
    assert title_of(session) == "Shall we?"
    ended(new_server(), turn)
    assert (turn.claim, title_of(session)) == (2, "The plan")
    assert title_events() == [("ok", "provider")]
    assert_ledger_matches(openai_server)
