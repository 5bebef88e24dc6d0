"""Recovery with real processes: `kill -9` at every stage of an orchestrator turn.

Then the provider's count must match the ledger, and a reader that was cut continues on the new process.
"""

from __future__ import annotations

import signal
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import pytest
from django.db import connection

from billing.models import Budget, DailyUsage, UsageEvent
from billing.services.budgets import budget_save
from orchestration.tests.providers import Answer, Gate, Hold, OpenAIServer
from sessions.models import Call, Message, Turn
from sessions.services.turn_accept import turn_accept
from sessions.services.turn_estimate import turn_estimate
from sessions.services.turn_request import TurnRequest
from sessions.tests.factories import bearer, make_agent, make_room, make_session
from sessions.tests.support.councils import ROUTE, SYNTHESIZE, decision, says
from sessions.tests.support.ledger import assert_ledger_matches, assert_nothing_to_audit
from sessions.tests.support.server_process import Reader, ServerProcess, until
from sessions.tests.support.stalls import stall

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("nobody_runs")]

AGENTS = ("ana", "bob", "cy")


@pytest.fixture
def session(alice, openai_model):
    agents = [make_agent(alice, key, openai_model) for key in AGENTS]
    return make_session(alice, make_room(alice, *agents, mode="orchestrator", goal="Decide well."))


@pytest.fixture
def new_server(alice, tmp_path) -> Iterator[Callable[..., ServerProcess]]:
    """Start servers; what lives at the end is killed, what failed is shown."""
    authorization = bearer(alice)
    servers: list[ServerProcess] = []

    def start(**environment: str) -> ServerProcess:
        server = ServerProcess(tmp_path, authorization, **environment)
        servers.append(server)
        return server.start().wait_until_up()

    yield start
    for server in servers:
        server.kill()
        print(server.log())  # noqa: T201  (shown where the test failed)


def script(server: OpenAIServer, **answers: Answer) -> None:
    """Let the manager ask everybody; each key's own answer comes first, then whole ones for ever."""
    route = Answer(decision(*((key, "Speak.") for key in AGENTS)))
    places = {"route": (ROUTE, route), "synthesis": (SYNTHESIZE, Answer(["To", "gether."]))}
    places |= {key: (says(key), Answer(f"I am {key}.")) for key in AGENTS}
    for name, (match, whole) in places.items():
        first = [answers[name]] if name in answers else []
        server.when(match, *first, whole, always=True)


def ask(server: ServerProcess, session: Any) -> Turn:
    status, turn = server.post(f"sessions/{session.pk}/turns", {"message": "Shall we?", "background": True})
    assert status == 202
    return Turn.objects.get(pk=turn["id"])


def watch(server: ServerProcess, turn: Turn) -> Reader:
    return server.read(f"turns/{turn.pk}/events")


def resumed(server: ServerProcess, turn: Turn, cut: Reader, *, end: str = "turn.completed") -> Turn:
    """Go on reading where the killed server cut the stream, to the end; return the turn as it is then."""
    cut.over.wait(10)
    events = server.read(f"turns/{turn.pk}/events", after=cut.last_id).wait()
    ids = [event.id for event in cut.events + events]
    assert ids == sorted(set(ids))
    assert events[-1].type == end
    assert not any(event.type.startswith("turn.c") for event in cut.events + events[:-1])
    turn.refresh_from_db()
    assert events[-1].id == turn.last_event_seq
    assert server.get(f"turns/{turn.pk}")[1]["status"] == "completed"
    return turn


def interrupted() -> list[tuple[str, str]]:
    """Return (purpose, agent) of the calls that were cut, each billed as an estimate."""
    events = UsageEvent.objects.filter(status="interrupted").order_by("purpose", "agent_key")
    assert {event.source for event in events} <= {"estimated"}
    return [(event.purpose, event.agent_key) for event in events]


def requests(server: OpenAIServer) -> dict[str, int]:
    """Return how often each was asked, by the provider's own count."""
    asked = {"route": ROUTE, "synthesis": SYNTHESIZE, **{key: says(key) for key in AGENTS}}
    bodies = [str(served.body["messages"]) for served in server.served]
    return {name: sum(text in body for body in bodies) for name, text in asked.items()}


ONCE = {"route": 1, "synthesis": 1, **dict.fromkeys(AGENTS, 1)}


def assert_answered(turn: Turn) -> None:
    assert (turn.status, turn.stop_reason) == ("completed", "max_rounds")
    said = Message.objects.filter(turn=turn).order_by("seq").values_list("text", flat=True)
    assert list(said) == ["Shall we?", "I am ana.", "I am bob.", "I am cy.", "Together."]


def test_killed_when_just_accepted(new_server, session, openai_server) -> None:
    script(openai_server)
    first = new_server()
    with stall("UPDATE OF claim ON chat_sessions_turn") as somebody_claims:
        turn = ask(first, session)
        reader = watch(first, turn)
        somebody_claims()
        first.kill()
    # SQLite's writer dies with its process; PostgreSQL carries out what it was sent.
    claimed = Turn.objects.get().status == "running"
    assert claimed == (connection.vendor == "postgresql")
    turn = resumed(new_server(), turn, reader)
    assert_answered(turn)
    assert turn.claim == 1 + claimed
    assert requests(openai_server) == ONCE
    assert_ledger_matches(openai_server)


def test_killed_before_the_first_call_is_answered(new_server, session, openai_server) -> None:
    gate = Gate()
    script(openai_server, route=Answer(head_gate=gate))
    first = new_server()
    turn = ask(first, session)
    reader = watch(first, turn)
    gate.wait_until_reached()
    assert Call.objects.get().status == "started"
    reader.wait_for(lambda event: event.type == "turn.started")
    first.kill()
    turn = resumed(new_server(), turn, reader)
    assert_answered(turn)
    assert requests(openai_server) == {**ONCE, "route": 2}
    assert interrupted() == [("route", "")]
    assert_ledger_matches(openai_server)


def test_killed_during_calls_and_between_them(new_server, session, openai_server) -> None:
    """Ana is done, Bob is in the middle of his answer, Cy has not begun."""
    half, silent = Gate(), Gate()
    bob = Answer(["I am not", " heard out."], at={1: Hold(half)})
    script(openai_server, bob=bob, cy=Answer("Never heard.", head_gate=silent))
    first = new_server()
    turn = ask(first, session)
    reader = watch(first, turn)
    half.wait_until_reached()
    silent.wait_until_reached()
    reader.wait_for(lambda event: event.data.get("text") == "I am not")
    reader.wait_for(lambda event: event.type == "step.completed")
    until(Call.objects.filter(agent_key="bob", received_bytes=8).exists)
    first.kill()
    turn = resumed(new_server(), turn, reader)
    assert_answered(turn)
    assert requests(openai_server) == {**ONCE, "bob": 2, "cy": 2}
    assert interrupted() == [("reply", "bob"), ("reply", "cy")]
    assert UsageEvent.objects.get(agent_key="bob", status="interrupted").output_tokens == 2
    assert_ledger_matches(openai_server)


def test_killed_under_a_hard_budget_with_room_for_the_repeated_calls(
    new_server, alice, openai_model, openai_server
) -> None:
    """A hold pays for each call once; what the killed ones cost is held once more."""
    gates = {key: Gate() for key in AGENTS[:2]}
    for key, gate in gates.items():
        cut = Answer([f"I am {key}", ", not heard out."], at={1: Hold(gate)})
        openai_server.when(says(key), cut, Answer(f"I am {key}."), always=True)
    agents = [make_agent(alice, key, openai_model) for key in gates]
    session = make_session(alice, make_room(alice, *agents))
    message = "@ana @bob Shall we?"
    bound = turn_estimate(user=alice, session=session, request=TurnRequest(message=message)).high_pico
    assert bound is not None
    made = budget_save(budget=Budget(scope="user", target_id=alice.pk, limit_pico=2 * bound))
    first = new_server()
    status, asked = first.post(f"sessions/{session.pk}/turns", {"message": message, "background": True})
    assert status == 202
    reader = watch(first, Turn.objects.get(pk=asked["id"]))
    for gate in gates.values():
        gate.wait_until_reached()
    assert made.periods.get().held_pico == bound
    first.kill()
    turn = resumed(new_server(), Turn.objects.get(pk=asked["id"]), reader)
    assert (turn.status, turn.stop_reason, turn.claim) == ("completed", None, 2)
    assert interrupted() == [("reply", "ana"), ("reply", "bob")]
    period = made.periods.get()
    assert period.held_pico == 0
    assert period.spent_pico == sum(event.cost_pico or 0 for event in UsageEvent.objects.all())
    assert_ledger_matches(openai_server)


def test_killed_during_the_synthesis(new_server, session, openai_server) -> None:
    gate = Gate()
    script(openai_server, synthesis=Answer(["To", "morrow."], at={1: Hold(gate)}))
    first = new_server()
    turn = ask(first, session)
    reader = watch(first, turn)
    gate.wait_until_reached()
    reader.wait_for(lambda event: event.data.get("text") == "To")
    first.kill()
    turn = resumed(new_server(), turn, reader)
    assert_answered(turn)
    assert requests(openai_server) == {**ONCE, "synthesis": 2}
    assert interrupted() == [("synthesize", "")]
    assert_ledger_matches(openai_server)


def test_killed_when_an_answer_is_whole_and_not_yet_written_down(new_server, session, openai_server) -> None:
    """The provider's bill knows the whole answer, ours what was known of it: an estimate, and marked so."""
    script(openai_server)
    first = new_server()
    with stall("UPDATE OF status ON chat_sessions_call", when="NEW.purpose = 'synthesize'") as outcome:
        turn = ask(first, session)
        reader = watch(first, turn)
        outcome()
        openai_server.wait_served(5)
        first.kill()
    turn = resumed(new_server(), turn, reader)
    assert_answered(turn)
    assert requests(openai_server) == {**ONCE, "synthesis": 2}
    assert interrupted() == [("synthesize", "")]
    assert UsageEvent.objects.count() == Call.objects.count() == len(openai_server.served)
    assert_nothing_to_audit()


def test_killed_in_the_middle_of_the_commit(new_server, session, openai_server) -> None:
    """The last outcome is in the commit: with it goes what was known of it, as if it had not been written down yet."""
    script(openai_server)
    first = new_server()
    with stall("INSERT ON billing_usageevent") as commit:
        turn = ask(first, session)
        reader = watch(first, turn)
        commit()
        assert Call.objects.exclude(status="ok").get().purpose == "synthesize"
        first.kill()
    assert Turn.objects.get().status == "running"
    assert not UsageEvent.objects.exists()
    turn = resumed(new_server(), turn, reader)
    assert_answered(turn)
    assert requests(openai_server) == {**ONCE, "synthesis": 2}
    assert interrupted() == [("synthesize", "")]
    assert turn.claim == 2
    assert UsageEvent.objects.count() == Call.objects.count() == len(openai_server.served)
    assert_nothing_to_audit()


def test_killed_after_the_commit(new_server, session, openai_server) -> None:
    """Whatever the reader has seen, the row tells the next process how the turn ended, and under which id."""
    gate = Gate()
    script(openai_server, synthesis=Answer(["To", "gether."], at={2: Hold(gate)}))
    first = new_server()
    turn = ask(first, session)
    reader = watch(first, turn)
    reader.wait_for(lambda event: event.data.get("text") == "To")
    reader.hang_up()
    gate.open()
    until(Turn.objects.filter(status="completed").exists)
    first.kill()
    bill = sorted(UsageEvent.objects.values_list("pk", "cost_pico"))
    second = new_server()
    turn = resumed(second, turn, reader, end="turn.snapshot")  # no log has what came before the end
    assert_answered(turn)
    assert turn.claim == 1
    [snapshot] = watch(second, turn).wait()
    assert (snapshot.type, snapshot.id) == ("turn.snapshot", turn.last_event_seq)
    assert snapshot.data["turn"]["status"] == "completed"
    assert second.read(f"turns/{turn.pk}/events", after=snapshot.id).response.status == 204
    assert sorted(UsageEvent.objects.values_list("pk", "cost_pico")) == bill
    assert requests(openai_server) == ONCE
    assert_ledger_matches(openai_server)


# --- Leases -----------------------------------------------------------------------------------------------------------


def everything_written() -> list[Any]:
    """Return all that a runner of turns writes."""
    models = (Turn, Call, Message, UsageEvent, DailyUsage)
    return [sorted(model.objects.values_list(), key=str) for model in models]


def freeze(server: ServerProcess) -> bool:
    """Stop a process between two transactions: in one, it would keep its locks. Return whether it stands."""
    server.signal(signal.SIGSTOP)
    time.sleep(0.1)
    if nobody_writes():
        return True
    server.signal(signal.SIGCONT)
    return False


def nobody_writes() -> bool:
    if connection.vendor == "sqlite":
        with closing(sqlite3.connect(connection.settings_dict["NAME"], timeout=0)) as other:
            try:
                other.execute("BEGIN IMMEDIATE")
            except sqlite3.OperationalError:
                return False
            return True
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() "
            "AND pid <> pg_backend_pid() AND state <> 'idle'"
        )
        return bool(cursor.fetchone()[0] == 0)


def test_a_process_that_wakes_after_its_lease_writes_nothing(new_server, session, openai_server) -> None:
    gate = Gate()
    script(openai_server, bob=Answer(["I am", " late."], at={1: Hold(gate)}))
    sleeper = new_server()
    turn = ask(sleeper, session)
    reader = watch(sleeper, turn)
    gate.wait_until_reached()
    until(lambda: [event.type for event in reader.events].count("step.completed") == 2)
    until(lambda: freeze(sleeper))
    reader.hang_up()
    turn = resumed(new_server(), turn, reader)
    assert_answered(turn)
    before = everything_written()
    gate.open()
    openai_server.wait_served(6)
    sleeper.signal(signal.SIGCONT)
    until(lambda: "was taken over by another runner" in sleeper.log())
    assert sleeper.get(f"turns/{turn.pk}")[1]["status"] == "completed"
    assert everything_written() == before
    assert turn.claim == 2
    assert interrupted() == [("reply", "bob")]
    assert requests(openai_server) == {**ONCE, "bob": 2}
    assert UsageEvent.objects.count() == Call.objects.count() == len(openai_server.served)
    assert_nothing_to_audit()


def test_two_processes_never_run_the_same_turn(new_server, alice, openai_model, openai_server) -> None:
    agent = make_agent(alice, "ana", openai_model)
    openai_server.default = Answer("Once.")
    for _ in range(2):
        new_server(PANTHEON_RECOVER_EVERY_S="0.02")
    turns = [
        turn_accept(user=alice, session=make_session(alice, agent), request=TurnRequest(message="Hi"))
        for _ in range(12)
    ]
    Turn.objects.update(dispatch_after="2020-01-01T00:00:00Z")
    until(lambda: not Turn.objects.active().exists())
    assert {turn.claim for turn in Turn.objects.all()} == {1}
    assert Turn.objects.filter(status="completed").count() == len(turns)
    assert len(openai_server.served) == len(turns)
    assert_ledger_matches(openai_server)
