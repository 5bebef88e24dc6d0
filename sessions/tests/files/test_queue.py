"""A process converts a few files at once; others wait, within bounds."""

from __future__ import annotations

import asyncio
import io
import threading
import uuid
from typing import BinaryIO

import pytest

from sessions.files.converter.results import Converted
from sessions.files.queue import AT_ONCE, MOST_PER_USER, MOST_WAITING, ConversionQueue
from web.errors import PantheonError, RateLimited

ALICE, BOB = uuid.uuid4(), uuid.uuid4()


class Slow:
    """A conversion that lasts until it is let go, and counts how many run at once."""

    def __init__(self) -> None:
        self.gate, self.is_full = threading.Event(), threading.Event()
        self.running = self.most = 0
        self._lock = threading.Lock()

    def __call__(self, content: BinaryIO) -> Converted:
        with self._lock:
            self.running += 1
            self.most = max(self.most, self.running)
            if self.running == AT_ONCE:
                self.is_full.set()
        self.gate.wait(30)
        with self._lock:
            self.running -= 1
        return Converted("text/plain", text="text")


async def test_a_few_at_once_and_all_in_the_end() -> None:
    work = Slow()
    queue = ConversionQueue(work)
    users = [uuid.uuid4() for _ in range(4)]
    waiting = [asyncio.create_task(queue.run_aside(io.BytesIO(), user)) for user in users for _ in range(3)]
    await asyncio.to_thread(work.is_full.wait, 30)  # the event loop is free meanwhile
    work.gate.set()
    assert {result.text for result in await asyncio.gather(*waiting)} == {"text"}
    assert work.most == AT_ONCE


@pytest.mark.parametrize("one_user", [True, False])
async def test_not_too_many_wait(one_user: bool) -> None:
    work = Slow()
    queue = ConversionQueue(work)
    allowed = MOST_PER_USER if one_user else MOST_WAITING
    users = [ALICE if one_user else uuid.uuid4() for _ in range(allowed)]
    waiting = [asyncio.create_task(queue.run_aside(io.BytesIO(), user)) for user in users]
    await asyncio.sleep(0)
    with pytest.raises(RateLimited):
        await queue.run_aside(io.BytesIO(), ALICE)
    if one_user:
        waiting.append(asyncio.create_task(queue.run_aside(io.BytesIO(), BOB)))
    work.gate.set()
    await asyncio.gather(*waiting)
    assert (await queue.run_aside(io.BytesIO(), ALICE)).text == "text"


async def test_who_gives_up_gives_the_place_back() -> None:
    work = Slow()
    queue = ConversionQueue(work)
    for _ in range(MOST_PER_USER * 2):
        task = asyncio.create_task(queue.run_aside(io.BytesIO(), ALICE))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    work.gate.set()
    assert (await queue.run_aside(io.BytesIO(), ALICE)).text == "text"


async def test_slow_files_of_one_user_leave_room_for_others() -> None:
    gate = threading.Event()

    def work(content: BinaryIO) -> Converted:
        if text := content.read():
            return Converted("text/plain", text=text.decode())
        gate.wait(30)
        return Converted("text/plain", text="slow")

    queue = ConversionQueue(work)
    slow = [asyncio.create_task(queue.run_aside(io.BytesIO(), ALICE)) for _ in range(MOST_PER_USER)]
    await asyncio.sleep(0)
    assert (await queue.run_aside(io.BytesIO(b"quick"), BOB)).text == "quick"
    assert not any(task.done() for task in slow)
    gate.set()
    assert {result.text for result in await asyncio.gather(*slow)} == {"slow"}


async def test_a_process_that_stops_gives_up_what_waits() -> None:
    work = Slow()
    queue = ConversionQueue(work)
    users = [uuid.uuid4() for _ in range(AT_ONCE + 2)]
    tasks = [asyncio.create_task(queue.run_aside(io.BytesIO(), user)) for user in users]
    await asyncio.to_thread(work.is_full.wait, 30)
    queue.stop()
    work.gate.set()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    codes = [getattr(result, "code", "") for result in results]
    assert codes == [""] * AT_ONCE + ["unavailable"] * 2
    with pytest.raises(PantheonError):
        await queue.run_aside(io.BytesIO(), ALICE)
