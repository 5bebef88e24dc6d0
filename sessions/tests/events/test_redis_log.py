"""The event log in Redis: reads from other processes, and a Redis that is down, full or empty."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Iterator

import pytest
from redis.exceptions import RedisError

from sessions.events.redis_log import RedisEventLog
from sessions.events.redis_publisher import stream_key
from sessions.tests.support.event_logs import (
    PATIENCE_S,
    event,
    follow,
    log,
    new_log,
    redis_server,
    seqs,
    turn_id,
    write,
)
from sessions.tests.support.redis_process import RedisProcess
from sessions.tests.support.server_process import until

__all__ = ["log", "new_log", "redis_server", "turn_id"]


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


async def test_a_reader_far_behind_gets_long_entries_a_few_at_a_time(own_redis, remote, turn_id) -> None:
    """It holds what it gets until its client has read it."""
    write(remote, turn_id, *range(1, 31), text="x" * 50_000)
    elsewhere = RedisEventLog(own_redis.url)
    try:
        await elsewhere.wait(turn_id, 29, PATIENCE_S)  # others in this process read the end
        await elsewhere.after(turn_id, 29)
        seen: list[int] = []
        while len(seen) < 30:
            entries = await elsewhere.after(turn_id, seen[-1] if seen else 0)
            assert entries
            assert sum(len(entry.data) for entry in entries) < 200_000
            seen += [entry.seq for entry in entries]
        assert seen == list(range(1, 31))
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
    monkeypatch.setattr("sessions.events.redis_log.DELETE_BATCH", 2)
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


async def test_a_log_that_vanished_is_lost_until_it_is_reopened(own_redis, remote, turn_id) -> None:
    write(remote, turn_id, 1, 2)
    with own_redis.client() as client:
        client.flushall()
        write(remote, turn_id, 3, 4)
        assert remote.lost_turns() == {turn_id}
        assert client.exists(stream_key(turn_id)) == 0
        write(remote, turn_id, 5)
        remote.append(turn_id, 6, event("turn.snapshot"))
        write(remote, turn_id, 7)
    assert remote.lost_turns() == set()
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


async def test_a_reader_continues_after_redis_came_back_empty(own_redis, remote, turn_id, caplog) -> None:
    write(remote, turn_id, 1, 2)
    assert await remote.wait(turn_id, 1, PATIENCE_S)
    waiting = asyncio.create_task(remote.wait(turn_id, 2, 60.0))
    own_redis.kill()
    for seq in range(3, 40):
        remote.append(turn_id, seq, event("step.delta"))
    await asyncio.to_thread(until, lambda: "events cannot be published" in caplog.text)
    assert not waiting.done()
    own_redis.start()
    await asyncio.to_thread(until, lambda: remote.lost_turns() == {turn_id})
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
    await asyncio.to_thread(until, lambda: remote.lost_turns() == {turn_id})
    assert remote.check() == "ok"


async def test_a_redis_that_is_full_drops_events_and_recovers(own_redis, remote, turn_id, caplog) -> None:
    write(remote, turn_id, 1)
    with own_redis.client() as client:
        client.config_set("maxmemory", "1mb")
        remote.append(turn_id, 2, event("step.delta"))
        await asyncio.to_thread(until, lambda: "events cannot be published" in caplog.text)
        assert remote.lost_turns() == set()
        client.config_set("maxmemory", "0")
    await asyncio.to_thread(until, lambda: remote.lost_turns() == {turn_id})
