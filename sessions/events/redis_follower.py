"""Follow the turns read by this process over one Pub/Sub connection, for any number of readers.

Subscriptions change while it listens, so no read has to be interrupted. No task is cancelled or awaited,
because the client library may swallow a cancellation: a connection that does not answer a PING is closed,
which ends the task that reads from it.
"""

from __future__ import annotations

import asyncio
import logging
import math
import time
from typing import Any

from redis.asyncio import Redis
from redis.asyncio.connection import AbstractConnection
from redis.exceptions import ConnectionError as RedisConnectionError

from sessions.events.entries import Entry, Waiter, call_on, wake
from sessions.events.redis_publisher import UNREACHABLE, stream_id
from sessions.events.redis_tails import Tails

log = logging.getLogger(__name__)

PAGE = 100
"""Entries read at once."""

MAX_CHANNELS = 500
"""Maximum channels of one command."""

MAX_READS = 64
"""Maximum logs read in one round trip."""

TICK_S = 1.0
SILENT_TICKS = 3
"""A connection is dead after this many ticks without a message, including the answer to a PING."""

READ_WITHIN_S = 5.0
RETRY_S = 0.5


class Follower:
    """Receives messages and reads logs for `tails`.

    `tails` and `progress_s` may be used from any thread, everything else only on the event log's loop.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, commands: Redis) -> None:
        self.tails = Tails(self._signal_change)
        self.progress_s = time.monotonic()
        """When it last made progress."""
        self._loop = loop
        self._commands = commands
        self._changed = asyncio.Event()
        self._silent_ticks = 0
        self._reachable = True
        self._reads: set[asyncio.Task[None]] = set()
        self._to_wake: list[Waiter] = []

    async def run(self) -> None:
        """Follow forever."""
        while True:
            self.progress_s = time.monotonic()
            # Not from the pool: a subscribed connection cannot run commands, and this one is never returned.
            connection = self._commands.connection_pool.make_connection()
            try:
                await connection.connect()
                await self._serve(connection)
            except UNREACHABLE as error:
                self._note_reachable(reachable=False, error=error)
            except Exception:  # the readers of all turns depend on this loop
                log.exception("reading the event channel failed")
            finally:
                # Without waiting for the socket to close: the connection may be dead.
                await connection.disconnect(nowait=True)
            self._wake(self.tails.note_disconnected())
            await asyncio.sleep(RETRY_S)

    async def _serve(self, connection: AbstractConnection) -> None:
        """Keep a connection's subscriptions up to date. Raises when the connection is dead."""
        receiver = self._loop.create_task(self._receive(connection))
        receiver.add_done_callback(self._note_receiver_end)
        self._silent_ticks = 0
        ticked_s = time.monotonic()
        while not receiver.done():
            await self._subscribe(connection)
            self._read_logs()
            now = time.monotonic()
            if now >= ticked_s + TICK_S:
                ticked_s = now
                await self._tick(connection, now)
            # A timer instead of `wait_for`, which would cancel the wait and so could lose a change.
            timer = self._loop.call_later(TICK_S, self._changed.set)
            await self._changed.wait()
            timer.cancel()
            self._changed.clear()
        receiver.result()

    async def _subscribe(self, connection: AbstractConnection) -> None:
        channels = self.tails.to_subscribe()
        for start in range(0, len(channels), MAX_CHANNELS):
            await connection.send_command("SUBSCRIBE", *channels[start : start + MAX_CHANNELS])

    async def _tick(self, connection: AbstractConnection, now: float) -> None:
        """Unsubscribe from unused channels and check that the connection is alive."""
        if self.tails.oldest_read_s() > now - READ_WITHIN_S:
            self.progress_s = now
        channels = self.tails.to_unsubscribe()
        for start in range(0, len(channels), MAX_CHANNELS):
            await connection.send_command("UNSUBSCRIBE", *channels[start : start + MAX_CHANNELS])
        # Count ticks instead of time: after a pause of this process there may be messages that are not read
        # yet.
        if self._silent_ticks == SILENT_TICKS:
            raise RedisConnectionError("no answer to PING")
        if self._silent_ticks:
            await connection.send_command("PING")
        self._silent_ticks += 1

    async def _receive(self, connection: AbstractConnection) -> None:
        """Process messages until the connection ends."""
        while True:
            # No timeout: silence is normal, and `_tick` closes a connection that does not answer.
            reply = await connection.read_response(
                timeout=math.inf, disconnect_on_error=False, push_request=True
            )
            self._silent_ticks = 0
            match reply:
                case ["message", channel, payload]:
                    seq, kind, data = payload.split(" ", 2)
                    self._wake(self.tails.receive(channel, Entry(int(seq), data, kind)))
                case ["subscribe", channel, _]:
                    self._note_reachable(reachable=True)
                    self.tails.confirm(channel)

    def _note_receiver_end(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled():
            task.exception()  # marks it as retrieved; `_serve` raises it, unless it closed the connection itself
        self._changed.set()

    def _read_logs(self) -> None:
        while logs := self.tails.to_read(MAX_READS):
            task = self._loop.create_task(self._read(logs))
            self._reads.add(task)
            task.add_done_callback(self._reads.discard)

    async def _read(self, logs: list[tuple[str, int]]) -> None:
        """Read entries that no message delivered, in one round trip for all of these logs."""
        pipe = self._commands.pipeline(transaction=False)
        for channel, seq in logs:
            pipe.xrange(channel, min=stream_id(seq + 1), count=PAGE)
        try:
            replies = await pipe.execute()
        except UNREACHABLE as error:
            log.warning("event logs could not be read: %s: %s", type(error).__name__, error)
            self._wake(self.tails.note_unreadable(channel for channel, _ in logs))
            return
        for (channel, seq), rows in zip(logs, replies, strict=True):
            self._wake(self.tails.read(channel, seq, entries_of(rows), more=len(rows) == PAGE))

    def _wake(self, waiters: list[Waiter]) -> None:
        """Wake readers after all received messages are processed: the loop runs the callback only then.

        Waking them after each message would run every reader once per event of a burst.
        """
        if waiters and not self._to_wake:
            self._loop.call_soon(self._wake_all)
        self._to_wake += waiters

    def _wake_all(self) -> None:
        waiters, self._to_wake = self._to_wake, []
        wake(waiters)

    def _signal_change(self) -> None:
        call_on(self._loop, self._changed.set)

    def _note_reachable(self, *, reachable: bool, error: Exception | None = None) -> None:
        if reachable == self._reachable:
            return
        self._reachable = reachable
        if reachable:
            log.warning("event channel connected again")
        else:
            log.error("event channel lost, readers get the turns' rows: %s: %s", type(error).__name__, error)


def entries_of(rows: Any) -> list[Entry]:
    """Return the entries of a stream from Redis's reply: pairs of id and fields."""
    return [
        Entry(int(number.partition("-")[0]), fields["data"], fields["type"]) for number, fields in rows or ()
    ]
