"""The production setup with real processes: web, workers, beat, PostgreSQL, Redis, some of which are killed."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from celery import Celery
from django.conf import settings

from billing.models import UsageEvent
from orchestration.tests.providers import Answer, Gate, Hold, OpenAIServer
from sessions.models import Call, ChatSession, Message, Turn
from sessions.tests.factories import bearer, make_agent, make_room, make_session
from sessions.tests.support.ledger import assert_ledger_matches
from sessions.tests.support.redis_process import RedisProcess
from sessions.tests.support.server_process import CeleryProcess, ChildProcess, Reader, ServerProcess, until
from sessions.tests.support.sse import Sse

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("nobody_runs"),
    pytest.mark.skipif(
        settings.DATABASES["default"]["ENGINE"].endswith("sqlite3"), reason="workers need PostgreSQL"
    ),
]


@pytest.fixture
def redis_server(tmp_path) -> Iterator[RedisProcess]:
    with RedisProcess(tmp_path) as server:
        yield server


@pytest.fixture
def processes(tmp_path, redis_server, alice) -> Iterator[Callable[..., Any]]:
    """Start processes by their roles, all at once; what lives at the end is killed, what failed is shown."""
    started: list[ChildProcess] = []
    authorization = bearer(alice)

    def start(*roles: str) -> Any:
        new: list[ChildProcess] = [
            ServerProcess(tmp_path, authorization, REDIS_URL=redis_server.url)
            if role == "web"
            else CeleryProcess(tmp_path, role, REDIS_URL=redis_server.url)
            for role in roles
        ]
        started.extend(new)
        for process in new:
            process.start()
        for process in new:
            process.wait_until_up()
        return new if len(new) > 1 else new[0]

    yield start
    for process in started:
        process.kill()
        print(process.log())  # noqa: T201  (shown where the test failed)


@pytest.fixture
def session(alice, openai_model):
    agents = [make_agent(alice, key, openai_model) for key in ("ana", "bob")]
    return make_session(alice, make_room(alice, *agents))


@pytest.fixture
def gate(openai_server: OpenAIServer) -> Gate:
    """Ana stops after her first word, the first time that she is asked; Bob answers at once."""
    gate = Gate()
    openai_server.when("You are ana.", Answer(["Good ", "day."], at={1: Hold(gate)}), Answer("Good day."))
    openai_server.when("You are bob.", Answer("Hello."), always=True)
    return gate


def ask(server: ServerProcess, session: Any, message: str = "@all hello") -> Turn:
    status, turn = server.post(f"sessions/{session.pk}/turns", {"message": message, "background": True})
    assert status == 202, turn
    return Turn.objects.get(pk=turn["id"])


def watch(server: ServerProcess, turn: Turn, after: int | None = None) -> Reader:
    return server.read(f"turns/{turn.pk}/events", after=after)


def in_the_middle(reader: Reader) -> None:
    """Return when Ana has begun and Bob is done."""
    reader.wait_for(lambda event: event.data.get("text") == "Good ")
    reader.wait_for(lambda event: event.type == "step.completed")


def assert_whole(turn: Turn, events: list[Sse], *, end: str = "") -> None:
    """A reader's events, of one or several streams, tell the turn to its end (`end`), each once."""
    ids = [event.id for event in events]
    assert ids == sorted(set(ids))
    turn.refresh_from_db()
    assert (events[-1].type, events[-1].id) == (end or f"turn.{turn.status}", turn.last_event_seq)
    assert not any(event.type == events[-1].type for event in events[:-1])


def assert_answered(turn: Turn) -> None:
    turn.refresh_from_db()
    assert turn.status == "completed"
    said = Message.objects.filter(turn=turn, role="agent").values_list("agent_key", "text")
    assert dict(said) == {"ana": "Good day.", "bob": "Hello."}


def is_final(turn: Turn) -> Callable[[], bool]:
    return Turn.objects.filter(pk=turn.pk, completed_at__isnull=False).exists


def test_a_turn_is_run_by_a_worker_and_streamed_by_every_web_process(
    processes, session, openai_server: OpenAIServer, gate
) -> None:
    one, other, _ = processes("web", "web", "worker")
    turn = ask(one, session)
    readers = [watch(one, turn), watch(other, turn)]
    for reader in readers:
        in_the_middle(reader)
    status, ready = other.get("ready")
    assert (status, ready["checks"]["broker"], ready["checks"]["event_log"]) == (200, "ok", "ok")
    gate.open()
    for reader in readers:
        assert_whole(turn, reader.wait())
    assert readers[0].events == readers[1].events
    assert [event.id for event in readers[0].events] == list(range(1, len(readers[0].events) + 1))
    assert_answered(turn)
    assert_ledger_matches(openai_server)


def test_messages_of_another_version_end_no_worker(
    processes, redis_server, session, openai_server: OpenAIServer, gate
) -> None:
    """A worker that does not know their names says so, and goes on."""
    gate.open()
    web, worker = processes("web", "worker")
    with Celery(broker=redis_server.url, set_as_current=False) as sender:
        for _ in range(5):
            sender.send_task("pantheon.of_another_version", queue="pantheon")
    until(lambda: worker.log().count("pantheon.of_another_version") >= 5)
    turn = ask(web, session)
    until(is_final(turn))
    assert_answered(turn)
    assert_ledger_matches(openai_server)


def test_a_reader_of_a_web_process_that_stops_resumes_at_another(
    processes, session, openai_server: OpenAIServer, gate
) -> None:
    one, other, _ = processes("web", "web", "worker")
    turn = ask(one, session)
    cut = watch(one, turn)
    in_the_middle(cut)
    assert one.stop() == 0
    assert cut.over.wait(10)
    assert turn.__class__.objects.get(pk=turn.pk).status == "running"
    resumed = watch(other, turn, after=cut.last_id)
    gate.open()
    assert_whole(turn, cut.events + resumed.wait())
    assert not any(event.type == "turn.snapshot" for event in resumed.events)
    assert_answered(turn)
    assert_ledger_matches(openai_server)


def test_redis_killed_in_mid_turn(
    processes, redis_server, session, openai_server: OpenAIServer, gate
) -> None:
    """The turn commits, its readers are told, and the next turn runs when Redis is back."""
    web, elsewhere, worker, _ = processes("web", "web", "worker", "beat")
    turn = ask(web, session)
    reader = watch(web, turn)
    in_the_middle(reader)
    redis_server.kill()
    late = watch(elsewhere, turn)  # whose process has heard nothing of the turn
    gate.open()
    until(is_final(turn))
    assert_whole(
        turn, reader.wait(), end="turn.snapshot"
    )  # what came after its last event was never published
    [snapshot] = late.wait()
    turn.refresh_from_db()
    assert (snapshot.type, snapshot.id) == ("turn.snapshot", turn.last_event_seq)
    assert snapshot.data["turn"]["status"] == "completed"
    assert_answered(turn)
    assert turn.claim == 1
    assert (
        web.get("ready")[1]["checks"] | {"broker": "failed", "event_log": "failed"}
        == web.get("ready")[1]["checks"]
    )
    until(lambda: "events cannot be published" in worker.log())
    redis_server.start()
    until(lambda: web.get("ready")[0] == 200)
    again = ask(web, session, "@bob hello")
    events = watch(web, again).wait()
    assert_whole(again, events)
    assert_ledger_matches(openai_server)


def test_redis_restarted_in_mid_turn(
    processes, redis_server, session, openai_server: OpenAIServer, gate
) -> None:
    """It comes back empty: the log goes on with a snapshot, for those who were listening and for those who come."""
    web, _ = processes("web", "worker")
    turn = ask(web, session)
    reader = watch(web, turn)
    in_the_middle(reader)
    redis_server.kill()
    redis_server.start()
    reader.wait_for(lambda event: event.type == "turn.snapshot")
    late = watch(web, turn)
    late.wait_for(lambda event: event.type == "turn.snapshot")
    snapshot = next(event for event in late.events if event.type == "turn.snapshot")
    texts = {step["agent_key"]: step["text"] for step in snapshot.data["turn"]["steps"]}
    assert texts == {"ana": "Good ", "bob": "Hello."}
    gate.open()
    assert_whole(turn, reader.wait())
    assert_whole(turn, late.wait())
    assert_answered(turn)
    assert_ledger_matches(openai_server)


def test_the_broker_is_gone_when_a_turn_is_accepted(
    processes, redis_server, session, openai_server: OpenAIServer, gate
) -> None:
    gate.open()
    web, *_ = processes("web", "worker", "beat")
    redis_server.kill()
    turn = ask(web, session)
    assert turn.status == "queued"
    assert web.get(f"turns/{turn.pk}")[1]["status"] == "queued"
    reader = watch(web, turn)
    redis_server.start()
    assert_whole(turn, reader.wait())
    assert_answered(turn)
    assert turn.claim == 1
    assert_ledger_matches(openai_server)


def test_a_worker_killed_in_mid_turn(processes, session, openai_server: OpenAIServer, gate) -> None:
    """Another one resumes: what was answered is not asked again, what was cut is billed as an estimate."""
    web, worker, _ = processes("web", "worker", "beat")
    turn = ask(web, session)
    reader = watch(web, turn)
    in_the_middle(reader)
    until(Call.objects.filter(agent_key="ana", received_bytes=5).exists)
    worker.kill()
    processes("worker")
    assert_whole(turn, reader.wait())
    assert_answered(turn)
    assert turn.claim == 2
    assert [event.id for event in reader.events if event.type == "turn.snapshot"] == [1_000_001]
    assert len(openai_server.served) == 3
    assert_ledger_matches(openai_server)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 0), (signal.SIGINT, 1)])
def test_a_worker_that_stops_hands_its_turns_over(
    processes, session, openai_server: OpenAIServer, gate, number, code
) -> None:
    """At once, without beat and before the lease ends; the claim does not count."""
    web, worker = processes("web", "worker")
    turn = ask(web, session)
    reader = watch(web, turn)
    in_the_middle(reader)
    processes("worker")
    worker.signal(number)
    assert worker.wait() == code, worker.log()
    assert_whole(turn, reader.wait())
    assert_answered(turn)
    assert (turn.claim, turn.handovers) == (2, 1)
    assert len(openai_server.served) == 3
    assert_ledger_matches(openai_server)


def test_a_cancel_reaches_the_worker(processes, session, openai_server: OpenAIServer, gate) -> None:
    web, _ = processes("web", "worker")
    turn = ask(web, session)
    reader = watch(web, turn)
    in_the_middle(reader)
    assert web.post(f"turns/{turn.pk}/cancel", {})[0] == 202
    assert_whole(turn, reader.wait())
    assert turn.status == "cancelled"
    assert_ledger_matches(openai_server)


def test_web_processes_run_no_turns_and_a_message_that_comes_twice_changes_nothing(
    processes, redis_server, session, openai_server: OpenAIServer, gate
) -> None:
    gate.open()
    web = processes("web")
    turn = ask(web, session)
    with redis_server.client() as client:
        [message] = client.lrange("pantheon", 0, -1)
        assert Turn.objects.get().status == "queued"
        assert "sessions.live.journal" not in web.log()  # which whoever runs turns opens when it starts
        client.lpush("pantheon", message, message)
        processes("worker", "worker")
        until(lambda: client.llen("pantheon") == 0)
    until(is_final(turn))
    assert_answered(turn)
    assert turn.claim == 1
    assert len(openai_server.served) == 2
    assert_ledger_matches(openai_server)


# --- Titles -----------------------------------------------------------------------------------------------------------

TITLES = "You write titles"


@pytest.fixture
def titled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Processes that are started afterwards give sessions titles, as they do unless it is switched off."""
    monkeypatch.setenv("PANTHEON_TITLES", "1")


def titles_billed() -> list[tuple[str, str]]:
    return sorted(UsageEvent.objects.filter(purpose="title").values_list("status", "source"))


def is_titled(count: int = 1) -> Callable[[], bool]:
    return lambda: Call.objects.filter(purpose="title", status="ok").count() == count


@pytest.mark.usefixtures("titled")
def test_first_questions_in_parallel_get_a_title_each(
    processes, alice, openai_model, openai_server: OpenAIServer
) -> None:
    answers = Gate()  # a title that is much later than the answers is given up
    openai_server.when("You are cleo.", Answer("We shall.", head_gate=answers), always=True)
    openai_server.when(TITLES, Answer("The plan"), always=True)
    web, *_ = processes("web", "worker", "worker")
    agent = make_agent(alice, "cleo", openai_model)
    turns = [ask(web, make_session(alice, agent), "Shall we?") for _ in range(5)]
    readers = [watch(web, turn) for turn in turns]
    until(is_titled(5))
    answers.open()
    assert {reader.wait()[-1].type for reader in readers} == {"turn.completed"}
    assert {turn.session.title for turn in Turn.objects.select_related("session")} == {"The plan"}
    assert titles_billed() == [("ok", "provider")] * 5
    for turn in turns:
        usage = web.get(f"turns/{turn.pk}")[1]["usage"]
        assert (usage["calls"], sorted(usage["by_purpose"])) == (2, ["reply", "title"])
    assert_ledger_matches(openai_server)


@pytest.mark.usefixtures("titled")
def test_a_worker_killed_while_it_writes_a_title(
    processes, alice, openai_model, openai_server: OpenAIServer
) -> None:
    """Another one writes it again; the title that was cut is billed as an estimate."""
    title, first, second = Gate(), Gate(), Gate()
    openai_server.when(TITLES, Answer("Never", head_gate=title), Answer("The plan"))
    openai_server.when(
        "You are cleo.", Answer("Never", head_gate=first), Answer("We shall.", head_gate=second)
    )
    web, worker, _ = processes("web", "worker", "beat")
    turn = ask(web, make_session(alice, make_agent(alice, "cleo", openai_model)), "Shall we?")
    reader = watch(web, turn)
    title.wait_until_reached()
    first.wait_until_reached()
    worker.kill()
    processes("worker")
    until(is_titled())
    second.open()
    assert_whole(turn, reader.wait())
    assert (turn.status, turn.claim) == ("completed", 2)
    assert ChatSession.objects.get(pk=turn.session_id).title == "The plan"
    assert titles_billed() == [("interrupted", "estimated"), ("ok", "provider")]
    assert_ledger_matches(openai_server)
