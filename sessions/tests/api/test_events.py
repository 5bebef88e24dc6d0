"""The event log of a turn: complete, in order, resumable."""

from __future__ import annotations

import asyncio
import uuid

import pytest
from django.db import connection
from prometheus_client import REGISTRY

from accounts.tests.support.clients import refused
from orchestration.tests.providers import Answer, Gate, Hold, OpenAIServer
from sessions.api.events import LOOK_EVERY_S, read_events, stream_events
from sessions.api.open_streams import is_full
from sessions.events.entries import Entry
from sessions.events.eventlog import event_log
from sessions.events.redis_log import RedisEventLog
from sessions.live.database import read_in_request
from sessions.models import Turn
from sessions.tests.conftest import Api
from sessions.tests.factories import make_agent, make_room, make_session
from sessions.tests.support.sse import Sse, parse_sse, read_all
from sessions.tests.support.waiting import wait_for_event

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def session(alice, openai_model):
    return make_session(
        alice, make_room(alice, *(make_agent(alice, key, openai_model) for key in ("ana", "bob")))
    )


def ask(api: Api, session, **fields) -> list[Sse]:
    response = api.post(f"sessions/{session.pk}/turns", {"message": "@all hello", "stream": True, **fields})
    assert response.status_code == 200
    assert response["Content-Type"] == "text/event-stream"
    assert response["Cache-Control"] == "no-store"
    assert response["X-Accel-Buffering"] == "no"
    return read_all(response)


def test_a_streamed_turn_has_every_event_once_and_in_order(api, session, openai_server: OpenAIServer) -> None:
    openai_server.default = Answer(["Good ", "**day**", "."], reasoning=["hm"])
    events = ask(api, session)
    assert [event.id for event in events] == list(range(1, len(events) + 1))
    assert events[0].type == "turn.started"
    assert [member["key"] for member in events[0].data["roster"]] == ["ana", "bob"]
    assert (events[0].data["index"], events[0].data["mode"]) == (1, "manual")
    assert events[-1].type == "turn.completed"
    assert events[-1].data["usage"]["calls"] == 2
    turn = Turn.objects.get()
    assert turn.last_event_seq == events[-1].id
    assert {event.data["turn_id"] for event in events} == {str(turn.pk)}
    for started in (event for event in events if event.type == "step.started"):
        of_step = [event for event in events if event.data.get("step_id") == started.data["step_id"]]
        deltas = [event.data for event in of_step if event.type == "step.delta"]
        assert "".join(d["text"] for d in deltas if d["kind"] == "text") == "Good **day**."
        assert "".join(d["text"] for d in deltas if d["kind"] == "reasoning") == "hm"
        completed = of_step[-1]
        assert completed.type == "step.completed"
        assert completed.data["text"] == "Good **day**."
        assert "<strong>day</strong>" in completed.data["html"]
        assert completed.data["cost_usd"] is not None
        assert turn.messages.filter(pk=completed.data["message_id"], text="Good **day**.").exists()


@pytest.mark.parametrize("how", ["header", "query"])
def test_a_reader_resumes_after_what_it_has(api, session, how) -> None:
    everything = ask(api, session)
    turn = Turn.objects.get()
    after = everything[2].id
    if how == "header":
        response = api.get(f"turns/{turn.pk}/events", headers={"Last-Event-ID": str(after)})
    else:
        response = api.get(f"turns/{turn.pk}/events?after={after}")
    assert read_all(response) == everything[3:]


def test_the_head_of_a_stream_is_answered_at_once(api, stranger, session, openai_server) -> None:
    gate = Gate()
    openai_server.default = Answer("Late.", head_gate=gate)
    api.post(f"sessions/{session.pk}/turns", {"message": "@ana hello", "background": True})
    path = f"/api/v1/turns/{Turn.objects.get().pk}/events"
    head = api.client.head(path)
    assert (head.status_code, head["Content-Type"], head.content) == (200, "text/event-stream", b"")
    assert stranger.client.head(path).status_code == 404
    gate.open()


def test_a_reader_that_has_everything_gets_204(api, session) -> None:
    last = ask(api, session)[-1].id
    turn = Turn.objects.get()
    for after in (last, last + 5):
        response = api.get(f"turns/{turn.pk}/events", headers={"Last-Event-ID": str(after)})
        assert response.status_code == 204


def test_without_a_log_one_snapshot_replaces_it(api, session) -> None:
    last = ask(api, session)[-1].id
    turn = Turn.objects.get()
    event_log.forget([turn.pk])
    (snapshot,) = read_all(api.get(f"turns/{turn.pk}/events"))
    assert (snapshot.type, snapshot.id) == ("turn.snapshot", last)
    assert snapshot.data["turn"]["status"] == "completed"
    assert [step["text"] for step in snapshot.data["turn"]["steps"]] == ["Hello from the test server."] * 2
    (again,) = read_all(api.get(f"turns/{turn.pk}/events?after=3"))
    assert (again.type, again.id, again.data["turn"]) == ("turn.snapshot", last, snapshot.data["turn"])
    (end,) = read_all(api.get(f"turns/{turn.pk}/events?after={last - 1}"))
    assert (end.type, end.id) == ("turn.completed", last)


def test_a_reader_of_what_has_ended_need_not_wait(api, session) -> None:
    """The log is gone: the row is looked at before the first wait, which would take as long as the patience here."""
    ask(api, session)
    turn = Turn.objects.get()
    event_log.forget([turn.pk])

    async def first() -> Entry | None:
        async with asyncio.timeout(LOOK_EVERY_S / 2):
            return await anext(aiter(read_events(turn.pk, 0)))

    entry = asyncio.run(first())
    assert entry is not None
    assert entry.type == "turn.snapshot"


def test_a_trimmed_log_is_opened_with_a_snapshot(api, session, openai_server, monkeypatch) -> None:
    monkeypatch.setattr(event_log, "max_bytes_per_turn", 2_000)
    openai_server.default = Answer(["word "] * 400)
    ask(api, session)
    turn = Turn.objects.get()
    if isinstance(event_log, RedisEventLog):
        event_log.close()  # so this process has read nothing yet
    events = read_all(api.get(f"turns/{turn.pk}/events"))
    assert events[0].type == "turn.snapshot"
    assert [event.id for event in events] == sorted({event.id for event in events})


def test_a_snapshot_for_a_reader_of_a_running_turn_is_counted(api, session, openai_server) -> None:
    gate = Gate()
    openai_server.default = Answer("Late.", head_gate=gate)
    body = {"message": "@ana hello", "background": True}
    turn_id = uuid.UUID(api.post(f"sessions/{session.pk}/turns", body).json()["id"])
    wait_for_event(turn_id, "step.started")

    def first_of(after: int) -> str:
        async def read() -> Entry | None:
            return await anext(aiter(read_events(turn_id, after, is_running=True)))

        entry = asyncio.run(read())
        assert entry is not None
        return entry.type

    def counted() -> float:
        return REGISTRY.get_sample_value("pantheon_event_snapshots_total") or 0.0

    before = counted()
    assert (first_of(0), counted()) == ("turn.started", before)
    event_log.append(turn_id, 500, {"type": "step.delta", "text": "after a gap"})
    event_log.drain(10.0)
    assert (first_of(2), counted()) == ("turn.snapshot", before + 1)
    gate.open()


def test_a_log_that_vanishes_in_mid_turn_continues_with_a_snapshot(api, session, openai_server) -> None:
    """It is told anew in the middle of an answer; what was said before is in the snapshot, or in the step's end."""
    ana, bob = Gate(), Gate()
    openai_server.when("You are ana.", Answer(["Good ", "day", "."], at={1: Hold(ana), 2: Hold(bob)}))
    body = {"message": "@ana hello", "background": True}
    turn_id = uuid.UUID(api.post(f"sessions/{session.pk}/turns", body).json()["id"])
    wait_for_event(turn_id, '"text":"Good "')
    seen = asyncio.run(event_log.last_seq(turn_id))
    event_log.forget([turn_id])
    ana.open()
    if isinstance(event_log, RedisEventLog):
        wait_for_event(turn_id, '"type":"turn.snapshot"')
    bob.open()
    events = read_all(api.get(f"turns/{turn_id}/events?after={seen}"))
    assert [event.id for event in events] == sorted({event.id for event in events})
    assert events[0].id > seen
    assert events[-2].data["text"] == "Good day."
    assert events[-1].type == "turn.completed"
    if isinstance(event_log, RedisEventLog):
        [step] = events[0].data["turn"]["steps"]
        assert (events[0].type, step["status"], step["text"]) == ("turn.snapshot", "started", "Good day")
        rest = [event.data["text"] for event in events if event.type == "step.delta"]
        assert "".join(rest) == "."


@pytest.mark.parametrize("after", ["-1", "x", "1.5", "9" * 30])
def test_an_invalid_resume_point_is_refused(api, session, after) -> None:
    ask(api, session)
    response = api.get(f"turns/{Turn.objects.get().pk}/events?after={after}")
    assert response.status_code == 400
    assert response.json()["error"]["code"] == "invalid_parameter"


def test_events_are_for_their_owner_alone(api, stranger, anonymous, session) -> None:
    ask(api, session)
    path = f"turns/{Turn.objects.get().pk}/events"
    assert stranger.get(path).status_code == 404
    assert anonymous.get(path).status_code == 401
    assert anonymous.get("turns/none/events").status_code == 401
    assert api.get("turns/none/events").status_code == 404
    assert api.get(path, headers={"Accept": "application/json"})["Content-Type"] == "text/event-stream"


async def test_a_user_has_a_limited_number_of_streams_open(api, stranger, session, settings) -> None:
    settings.PANTHEON_STREAMS_PER_USER = 2
    await read_in_request(ask, api, session)
    turn = await read_in_request(Turn.objects.get)
    path = f"turns/{turn.pk}/events"
    streams = [stream_events(turn.pk, 0, user_id=turn.user_id) for _ in range(2)]
    for stream in streams:
        await anext(stream)
    refusal = await read_in_request(api.get, path)
    refused(refusal, 429, "rate_limited")
    assert refusal["Retry-After"] == "5"
    assert (await read_in_request(stranger.get, path)).status_code == 404
    await streams[0].aclose()  # as when its reader disconnects
    assert (await read_in_request(api.get, path)).status_code == 200
    async for _ in streams[1]:
        pass  # to the end
    assert not is_full(turn.user_id)


async def test_many_readers_follow_the_live_tail_and_hold_no_connection(
    alice, api, session, openai_server: OpenAIServer
) -> None:
    """More readers than the pool has connections (10), all reading at once while the turn runs."""
    gate = Gate()
    openai_server.default = Answer(["Good ", "day."], at={1: Hold(gate)})
    post = read_in_request(
        api.post, f"sessions/{session.pk}/turns", {"message": "@ana hello", "background": True}
    )
    turn_id = (await post).json()["id"]
    turn = await read_in_request(Turn.objects.get, pk=turn_id)
    heard = asyncio.Event()
    waiting = 0

    async def read() -> list[Sse]:
        nonlocal waiting
        text = b""
        async for chunk in stream_events(turn.pk, 0, user_id=turn.user_id):
            if b'"text":"Good "' in chunk:
                waiting += 1
                if waiting == 40:
                    heard.set()
            text += chunk
        return parse_sse(text.decode())

    readers = [asyncio.create_task(read()) for _ in range(40)]
    async with asyncio.timeout(30):
        await heard.wait()
        if connection.vendor == "postgresql":
            assert await read_in_request(open_connections) <= 10
        gate.open()
        streams = await asyncio.gather(*readers)
    assert all(stream == streams[0] for stream in streams)
    assert streams[0][-1].type == "turn.completed"


def open_connections() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()")
        return int(cursor.fetchone()[0])


@pytest.mark.usefixtures("nobody_runs")
async def test_a_lost_announcement_hangs_nobody(api, session) -> None:
    """The turn ends without a word in the log: readers find out from its row."""
    body = {"message": "@ana hello", "background": True}
    turn_id = (await read_in_request(api.post, f"sessions/{session.pk}/turns", body)).json()["id"]
    turn = await read_in_request(Turn.objects.get, pk=turn_id)

    def end() -> None:
        now = turn.created_at
        Turn.objects.filter(pk=turn.pk).update(status="failed", completed_at=now, last_event_seq=9)

    await read_in_request(end)
    async with asyncio.timeout(10):
        for after, kind in ((8, "turn.failed"), (4, "turn.snapshot")):
            chunks = [chunk async for chunk in stream_events(turn.pk, after, user_id=turn.user_id)]
            (event,) = parse_sse(b"".join(chunks).decode())
            assert (event.id, event.type) == (9, kind)
