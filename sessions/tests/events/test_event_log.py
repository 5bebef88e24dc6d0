"""The contract of the event log, kept by the one in memory and by the one in Redis."""

from __future__ import annotations

import asyncio
import json
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from redis.exceptions import RedisError

from sessions.events.entries import Entry
from sessions.events.eventlog import EventLog
from sessions.events.memory_log import MemoryEventLog
from sessions.events.redis_log import RedisEventLog
from sessions.events.redis_publisher import stream_key
from sessions.tests.support.redis_process import RedisProcess
from sessions.tests.support.server_process import until

PATIENCE_S = 30.0


@pytest.fixture(scope="module")
def redis_server(tmp_path_factory) -> Iterator[RedisProcess]:
    with RedisProcess(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture(params=["memory", "redis"])
def new_log(request) -> Iterator[Callable[..., EventLog]]:
    """Make logs of one kind; those in Redis see each other's."""
    made: list[RedisEventLog] = []

    def make(**options: Any) -> EventLog:
        if request.param == "memory":
            return MemoryEventLog(**options)
        log = RedisEventLog(request.getfixturevalue("redis_server").url, **options)
        made.append(log)
        return log

    yield make
    for log in made:
        log.close()


@pytest.fixture
def log(new_log) -> EventLog:
    return new_log()


@pytest.fixture
def turn_id() -> uuid.UUID:
    return uuid.uuid4()


def event(kind: str, **fields: Any) -> dict[str, Any]:
    return {"type": kind, **fields}


def write(log: EventLog, turn_id: uuid.UUID, *seqs: int, kind: str = "step.delta", text: str = "x") -> None:
    """Append events and let them arrive."""
    for seq in seqs:
        log.append(turn_id, seq, event("turn.started" if seq == 1 else kind, text=text))
    log.drain(PATIENCE_S)


def seqs(entries: list[Entry] | None) -> list[int] | None:
    return None if entries is None else [entry.seq for entry in entries]


async def follow(log: EventLog, turn_id: uuid.UUID, after: int, last: int) -> list[Entry]:
    """Read like a client that resumes after a seq, until `last`."""
    read: list[Entry] = []
    async with asyncio.timeout(PATIENCE_S):
        while after < last:
            entries = await log.after(turn_id, after)
            assert entries is not None
            if not entries:
                await log.wait(turn_id, after, 1.0)
            for entry in entries:
                read.append(entry)
                after = entry.seq
    return read


async def test_a_log_that_is_not_there_knows_nothing(log, turn_id) -> None:
    assert await log.after(turn_id, 0) == []
    assert await log.after(turn_id, 7) == []
    assert await log.last_seq(turn_id) == 0
    assert not await log.wait(turn_id, 0, 0.05)
    assert log.lost() == set()
    assert log.check() == "ok"


async def test_events_are_read_as_they_were_written_in_order(log, turn_id) -> None:
    text = 'Zwölf "Boxkämpfer" \n\x00 🦊'
    write(log, turn_id, 1, 2, 3, text=text)
    log.append(turn_id, 4, event("turn.completed"))
    log.drain(PATIENCE_S)
    entries = await log.after(turn_id, 0)
    assert entries is not None
    assert [(entry.seq, entry.type) for entry in entries] == [
        (1, "turn.started"),
        (2, "step.delta"),
        (3, "step.delta"),
        (4, "turn.completed"),
    ]
    assert entries[1].data == '{"type":"step.delta","text":"Zwölf \\"Boxkämpfer\\" \\n\\u0000 🦊"}'
    assert [entry.terminal for entry in entries] == [False, False, False, True]
    assert await log.last_seq(turn_id) == 4


async def test_half_a_character_is_passed_on(log, turn_id) -> None:
    whole = "🦊".encode("utf-16", "surrogatepass")[2:]
    halves = [whole[:2].decode("utf-16", "surrogatepass"), whole[2:].decode("utf-16", "surrogatepass")]
    write(log, turn_id, 1)
    for seq, half in enumerate(halves, start=2):
        log.append(turn_id, seq, event("step.delta", text=half))
    log.drain(PATIENCE_S)
    entries = await log.after(turn_id, 1)
    assert entries is not None
    text = "".join(json.loads(entry.data.encode())["text"] for entry in entries)
    assert text.encode("utf-16", "surrogatepass").decode("utf-16") == "🦊"


@pytest.mark.parametrize(("after", "rest"), [(0, [1, 2, 3]), (1, [2, 3]), (3, []), (9, [])])
async def test_a_reader_resumes_after_what_it_has(log, turn_id, after, rest) -> None:
    write(log, turn_id, 1, 2, 3)
    assert seqs(await log.after(turn_id, after)) == rest


async def test_turns_do_not_see_each_other(log, turn_id) -> None:
    other = uuid.uuid4()
    write(log, turn_id, 1, 2)
    write(log, other, 1)
    assert seqs(await log.after(turn_id, 0)) == [1, 2]
    assert await log.last_seq(other) == 1


async def test_a_seq_that_is_not_new_is_passed_over(log, turn_id) -> None:
    """A runner that was taken over cannot write into the newer claim's log."""
    write(log, turn_id, 1, 2)
    log.append(turn_id, 1_000_001, event("turn.snapshot"))
    write(log, turn_id, 3, 2)
    log.append(turn_id, 1_000_002, event("step.delta"))
    log.drain(PATIENCE_S)
    assert seqs(await log.after(turn_id, 0)) == [1, 2, 1_000_001, 1_000_002]
    assert log.lost() == set()


async def test_a_new_claim_goes_on_with_its_snapshot(log, turn_id) -> None:
    write(log, turn_id, 1, 2)
    log.release(turn_id)
    log.append(turn_id, 1_000_001, event("turn.snapshot"))
    log.drain(PATIENCE_S)
    assert seqs(await log.after(turn_id, 1)) == [2, 1_000_001]
    assert seqs(await log.after(turn_id, 9)) == [1_000_001]


async def test_what_was_trimmed_is_missed_and_said_so(new_log, turn_id) -> None:
    log = new_log(max_bytes_per_turn=2_000)
    write(log, turn_id, *range(1, 51), text="x" * 100)
    assert await log.after(turn_id, 0) is None
    assert await log.after(turn_id, 20) is None
    last = await log.last_seq(turn_id)
    assert last == 50
    readable = [seq for seq in range(50) if await log.after(turn_id, seq) is not None]
    kept = readable[0]
    assert 35 <= kept <= 48
    assert readable == list(range(kept, 50))
    assert seqs(await log.after(turn_id, kept)) == list(range(kept + 1, 51))


async def test_one_event_that_is_too_big_is_kept(new_log, turn_id) -> None:
    log = new_log(max_bytes_per_turn=100)
    write(log, turn_id, 1, 2, text="x" * 1_000)
    assert seqs(await log.after(turn_id, 1)) == [2]


async def test_a_reader_is_woken_by_what_it_waits_for(log, turn_id) -> None:
    write(log, turn_id, 1)
    assert await log.wait(turn_id, 0, PATIENCE_S)
    waiting = asyncio.create_task(log.wait(turn_id, 1, PATIENCE_S))
    await asyncio.sleep(0)
    threading.Thread(target=write, args=(log, turn_id, 2)).start()
    assert await waiting
    assert seqs(await log.after(turn_id, 1)) == [2]


async def test_many_readers_each_get_everything_once(log, turn_id) -> None:
    """They come at different moments and from different points, while the turn is written by another thread."""
    last = 400
    writer = threading.Thread(target=write, args=(log, turn_id, *range(1, last + 1)))
    early = [asyncio.create_task(follow(log, turn_id, 0, last)) for _ in range(20)]
    writer.start()
    late = [asyncio.create_task(follow(log, turn_id, 0, last)) for _ in range(20)]
    await follow(log, turn_id, 0, 100)
    resumed = [asyncio.create_task(follow(log, turn_id, 100, last)) for _ in range(20)]
    for read in await asyncio.gather(*early, *late):
        assert seqs(read) == list(range(1, last + 1))
    for read in await asyncio.gather(*resumed):
        assert seqs(read) == list(range(101, last + 1))
    await asyncio.to_thread(writer.join)


async def test_a_log_is_read_from_several_loops(log, turn_id) -> None:
    """The web server's loop, and others, each on its thread."""
    readers = [
        asyncio.create_task(asyncio.to_thread(asyncio.run, follow(log, turn_id, 0, 50))) for _ in range(3)
    ]
    await asyncio.to_thread(write, log, turn_id, *range(1, 51))
    for read in await asyncio.gather(*readers):
        assert seqs(read) == list(range(1, 51))


async def test_a_reader_that_is_far_behind_goes_on_without_a_gap(log, turn_id) -> None:
    """More than what is followed or read at once."""
    last, text = 3_000, "x" * 400
    write(log, turn_id, 1)
    assert await log.wait(turn_id, 0, PATIENCE_S)
    await asyncio.to_thread(write, log, turn_id, *range(2, last + 1), text=text)
    assert seqs(await follow(log, turn_id, 1, last)) == list(range(2, last + 1))


async def test_a_reader_that_vanishes_leaves_nothing(log, turn_id) -> None:
    write(log, turn_id, 1)
    waiting = asyncio.create_task(log.wait(turn_id, 1, PATIENCE_S))
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    write(log, turn_id, 2)
    assert seqs(await follow(log, turn_id, 0, 2)) == [1, 2]


async def test_a_forgotten_log_knows_nothing(log, turn_id) -> None:
    other, kept = uuid.uuid4(), uuid.uuid4()
    for written in (turn_id, other, kept):
        write(log, written, 1, 2)
        assert await log.last_seq(written) == 2
    log.forget([turn_id, other, uuid.uuid4()])
    for forgotten in (turn_id, other):
        assert await log.after(forgotten, 0) == []
        assert await log.last_seq(forgotten) == 0
    assert await log.last_seq(kept) == 2
    log.forget([])


# --- Redis alone ------------------------------------------------------------------------------------------------------


@pytest.fixture
def own_redis(tmp_path) -> Iterator[RedisProcess]:
    with RedisProcess(tmp_path) as server:
        yield server


@pytest.fixture
def remote(own_redis) -> Iterator[RedisEventLog]:
    log = RedisEventLog(own_redis.url)
    yield log
    log.close()


async def test_what_one_process_writes_another_reads(own_redis, remote, turn_id) -> None:
    """Two logs with connections of their own stand for two machines."""
    elsewhere = RedisEventLog(own_redis.url)
    try:
        reading = asyncio.create_task(follow(elsewhere, turn_id, 0, 20))
        await asyncio.to_thread(write, remote, turn_id, *range(1, 11))
        await asyncio.to_thread(write, remote, turn_id, *range(11, 21))
        assert seqs(await reading) == list(range(1, 21))
        with own_redis.client() as client:
            ids = [number for number, _ in client.xrange(stream_key(turn_id))]
        assert ids == [f"{seq}-0" for seq in range(1, 21)]
    finally:
        elsewhere.close()


async def test_an_ended_log_is_kept_for_an_hour(own_redis, remote, turn_id) -> None:
    write(remote, turn_id, 1, 2)
    with own_redis.client() as client:
        assert 3600 < client.ttl(stream_key(turn_id)) <= 24 * 3600
        write(remote, turn_id, 3, kind="turn.failed")
        assert 0 < client.ttl(stream_key(turn_id)) <= 3600


async def test_a_forgotten_log_leaves_nothing_in_redis(
    own_redis, remote, turn_id, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sessions.events.redis_log.FORGOTTEN_AT_ONCE", 2)
    turn_ids = [turn_id, *(uuid.uuid4() for _ in range(4))]
    for written in turn_ids:
        write(remote, written, 1, 2)
    remote.forget(turn_ids)
    write(remote, turn_id, 3, kind="turn.completed")  # what comes late makes no log
    with own_redis.client() as client:
        assert client.keys() == []


@pytest.mark.parametrize("how", ["kill", "freeze"])
async def test_forgetting_does_not_wait_for_a_redis_that_is_gone(
    own_redis, remote, turn_id, how: str, caplog: pytest.LogCaptureFixture
) -> None:
    write(remote, turn_id, 1, 2)
    getattr(own_redis, how)()
    began_s = time.monotonic()
    remote.forget([turn_id])
    assert time.monotonic() - began_s < PATIENCE_S
    assert "events of 1 turns stay until they expire" in caplog.text


async def test_readers_leave_nothing_in_redis_and_share_connections(own_redis, remote, turn_id) -> None:
    write(remote, turn_id, 1)
    readers = [asyncio.create_task(follow(remote, turn_id, 0, 3)) for _ in range(60)]
    await follow(remote, turn_id, 0, 1)
    await asyncio.to_thread(write, remote, turn_id, 2, 3)
    await asyncio.gather(*readers)
    with own_redis.client() as client:
        assert client.keys() == [stream_key(turn_id)]
        assert len(client.client_list()) <= 7  # publishes, follows, four that read, and this one


async def test_a_log_that_vanished_is_lost_until_it_is_opened_anew(own_redis, remote, turn_id) -> None:
    write(remote, turn_id, 1, 2)
    with own_redis.client() as client:
        client.flushall()
        write(remote, turn_id, 3, 4)
        assert remote.lost() == {turn_id}
        assert client.exists(stream_key(turn_id)) == 0
        write(remote, turn_id, 5)
        remote.append(turn_id, 6, event("turn.snapshot"))
        write(remote, turn_id, 7)
    assert remote.lost() == set()
    assert seqs(await remote.after(turn_id, 2)) == [6, 7]


async def test_a_reader_that_is_behind_when_the_log_vanishes_does_not_spin(
    own_redis, remote, turn_id
) -> None:
    """What it lacks is neither here nor there: it waits like one of a log that is silent."""
    write(remote, turn_id, 1)
    assert await remote.wait(turn_id, 0, PATIENCE_S)
    await asyncio.to_thread(write, remote, turn_id, *range(2, 302), text="x" * 4_000)
    assert len(await follow(remote, turn_id, 100, 301)) == 201
    with own_redis.client() as client:
        client.flushall()
    assert await remote.after(turn_id, 0) == []
    assert not await remote.wait(turn_id, 0, 0.1)


async def test_a_reader_with_a_point_that_was_made_up_disturbs_nobody(remote, turn_id) -> None:
    write(remote, turn_id, 1)
    assert not await remote.wait(turn_id, 10**17, 0.05)
    reading = asyncio.create_task(follow(remote, turn_id, 0, 3))
    await follow(remote, turn_id, 0, 1)
    await asyncio.to_thread(write, remote, turn_id, 2, 3)
    assert seqs(await reading) == [1, 2, 3]


async def test_a_reader_goes_on_after_redis_came_back_empty(own_redis, remote, turn_id, caplog) -> None:
    write(remote, turn_id, 1, 2)
    assert await remote.wait(turn_id, 1, PATIENCE_S)
    waiting = asyncio.create_task(remote.wait(turn_id, 2, 60.0))
    own_redis.kill()
    for seq in range(3, 40):
        remote.append(turn_id, seq, event("step.delta"))
    await asyncio.to_thread(until, lambda: "events cannot be published" in caplog.text)
    assert not waiting.done()
    own_redis.start()
    await asyncio.to_thread(until, lambda: remote.lost() == {turn_id})
    remote.append(turn_id, 40, event("turn.snapshot"))
    async with asyncio.timeout(PATIENCE_S):
        assert await waiting
    assert seqs(await remote.after(turn_id, 2)) == [40]
    assert [record.levelname for record in caplog.records if "published" in record.message] == [
        "ERROR",
        "WARNING",
    ]
    assert "37 were dropped" in caplog.text
    assert "sk-of-redis" not in caplog.text


async def test_an_unreachable_redis_blocks_nobody(own_redis, remote, turn_id) -> None:
    """Frozen: connections stay open and nothing is answered. Ten thousand events are dropped, not kept waiting for.

    Had each waited for its answer, this would take hours.
    """
    write(remote, turn_id, 1)
    own_redis.freeze()
    for seq in range(2, 10_002):
        remote.append(turn_id, seq, event("step.delta", text="x"))
    async with asyncio.timeout(PATIENCE_S):
        assert await remote.after(uuid.uuid4(), 0) == []
        assert await remote.last_seq(turn_id) == 0
        assert not await remote.wait(turn_id, 1, 0.1)
    with pytest.raises((OSError, RedisError)):
        remote.check()
    own_redis.thaw()
    await asyncio.to_thread(until, lambda: remote.lost() == {turn_id})
    assert remote.check() == "ok"


async def test_a_redis_that_is_full_drops_events_and_recovers(own_redis, remote, turn_id, caplog) -> None:
    write(remote, turn_id, 1)
    with own_redis.client() as client:
        client.config_set("maxmemory", "1mb")
        remote.append(turn_id, 2, event("step.delta"))
        await asyncio.to_thread(until, lambda: "events cannot be published" in caplog.text)
        assert remote.lost() == set()
        client.config_set("maxmemory", "0")
    await asyncio.to_thread(until, lambda: remote.lost() == {turn_id})
