"""The contract of the event log, for the one in memory and the one in Redis."""

from __future__ import annotations

import asyncio
import json
import threading
import uuid

import pytest

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

__all__ = ["log", "new_log", "redis_server", "turn_id"]


async def test_a_log_that_is_not_there_knows_nothing(log, turn_id) -> None:
    assert await log.after(turn_id, 0) == []
    assert await log.after(turn_id, 7) == []
    assert await log.last_seq(turn_id) == 0
    assert not await log.wait(turn_id, 0, 0.05)
    assert log.lost_turns() == set()
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
    assert [entry.is_terminal for entry in entries] == [False, False, False, True]
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
    assert log.lost_turns() == set()


async def test_a_new_claim_goes_on_with_its_snapshot(log, turn_id) -> None:
    write(log, turn_id, 1, 2)
    log.release(turn_id)
    log.append(turn_id, 1_000_001, event("turn.snapshot"))
    log.drain(PATIENCE_S)
    assert seqs(await log.after(turn_id, 1)) == [2, 1_000_001]
    assert seqs(await log.after(turn_id, 9)) == [1_000_001]


async def test_trimmed_events_are_reported_as_missing(new_log, turn_id) -> None:
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


async def test_a_reader_far_behind_continues_without_a_gap(log, turn_id) -> None:
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
