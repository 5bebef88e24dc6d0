"""Readers that ask and read concurrently, and record results with their times.

python -m sessions.tests.load.readers < job.json
"""

from __future__ import annotations

import asyncio
import json
import re
import resource
import sys
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass, field
from typing import Any

import uvloop

from sessions.tests.load.connection import Client

LEAST_DELTAS = 5
"""Minimum pieces of text of an answer to count as live."""

OPENED_AT_ONCE = 32
WORD = re.compile(rb'"content": ?"(?!")')
"""Text in a chunk of OpenAI's wire format, neither empty nor null."""


@dataclass(frozen=True)
class Job:
    origin: str
    """Scheme, host and port."""
    authorization: str
    path: str
    """URL path of a turn request; `{session}` in it is a session of the turn's own."""
    body: dict[str, Any]
    streams: int
    turns: int
    sessions_path: str = ""
    """URL path of session creation; empty for a gateway, which has no sessions."""
    all_at_once: bool = False
    """Create all sessions first, then ask in all of them at once."""
    timeout_s: float = 120.0
    """Maximum duration of a turn."""


@dataclass
class Turn:
    """One reader's result. Milliseconds since the request; the first word of a snapshot arrives with it."""

    first_ms: float = 0.0
    whole_ms: float = 0.0
    deltas: int = 0
    snapshots: int = 0
    ended: bool = False

    @property
    def live(self) -> bool:
        """Whether the answer was read word by word to its end."""
        return self.ended and self.deltas >= LEAST_DELTAS and not self.snapshots


@dataclass
class Report:
    turns: list[Turn] = field(default_factory=list)
    """Turns that ended."""
    errors: dict[str, int] = field(default_factory=dict)
    """Error of the other turns -> count."""
    wall_s: float = 0.0
    cpu_s: float = 0.0
    """Of the readers' own process."""

    @property
    def failed(self) -> int:
        return sum(self.errors.values())

    @property
    def live(self) -> int:
        return sum(turn.live for turn in self.turns)


class Reading:
    """Records the lines of one response."""

    def __init__(self, *, of_gateway: bool) -> None:
        self.turn = Turn()
        self.answer = b""
        """The newest line that is not empty: it contains the error if the turn was not completed."""
        self._begun = time.perf_counter()
        self._note: Callable[[bytes], None] = self._note_chunk if of_gateway else self._note_event

    def take(self, line: bytes) -> None:
        if line.startswith(b"data:"):
            self._note(line)
        if line:
            self.answer = line

    def _note_chunk(self, line: bytes) -> None:
        if line.startswith(b"data: {"):
            if WORD.search(line):
                self._note_delta()
        elif b"[DONE]" in line:
            self._note_end()

    def _note_event(self, line: bytes) -> None:
        if b'"step.delta"' in line:
            self._note_delta()
        elif b'"turn.snapshot"' in line:
            self.turn.snapshots += 1
            self.turn.first_ms = self.turn.first_ms or self._elapsed_ms()
            if b'"status":"completed"' in line:
                self._note_end()
        elif b'"turn.completed"' in line:
            self._note_end()

    def _note_delta(self) -> None:
        self.turn.deltas += 1
        self.turn.first_ms = self.turn.first_ms or self._elapsed_ms()

    def _note_end(self) -> None:
        if not self.turn.ended:
            self.turn.ended = True
            self.turn.whole_ms = self._elapsed_ms()
            self.turn.first_ms = self.turn.first_ms or self.turn.whole_ms

    def _elapsed_ms(self) -> float:
        return (time.perf_counter() - self._begun) * 1000


class Readers:
    def __init__(self, job: Job) -> None:
        self._job = job
        self._turns: list[Turn] = []
        self._errors: Counter[str] = Counter()
        self._left = job.turns

    async def run(self) -> Report:
        sessions = await self._sessions() if self._job.all_at_once else None
        begun, cpu = time.perf_counter(), time.process_time()
        async with asyncio.TaskGroup() as group:
            if sessions is not None:
                for session in sessions:
                    group.create_task(self._read_one(session))
            else:
                for _ in range(self._job.streams):
                    group.create_task(self._read_on())
        return Report(self._turns, dict(self._errors), time.perf_counter() - begun, time.process_time() - cpu)

    async def _sessions(self) -> list[str]:
        places = asyncio.Semaphore(OPENED_AT_ONCE)

        async def one() -> str:
            async with places, self._client() as client:
                return await self._session(client)

        async with asyncio.timeout(self._job.timeout_s), asyncio.TaskGroup() as group:
            tasks = [group.create_task(one()) for _ in range(self._job.turns)]
        return [task.result() for task in tasks]

    async def _read_one(self, session: str) -> None:
        async with self._client() as client:
            await self._note(client, self._turn(client, session))

    async def _read_on(self) -> None:
        async with self._client() as client:
            while self._left:
                self._left -= 1
                await self._note(client, self._whole(client))

    async def _whole(self, client: Client) -> Turn:
        return await self._turn(client, await self._session(client))

    async def _note(self, client: Client, asking: Awaitable[Turn]) -> None:
        try:
            async with asyncio.timeout(self._job.timeout_s):
                self._turns.append(await asking)
        except (OSError, TimeoutError, Refused) as error:
            self._errors[repr(error)[:200]] += 1
            client.close()  # half a response may be in it

    def _client(self) -> Client:
        return Client(self._job.origin, self._job.authorization)

    async def _session(self, client: Client) -> str:
        """Create a session for a turn; empty for a gateway, which has no sessions."""
        if not self._job.sessions_path:
            return ""
        lines: list[bytes] = []
        status = await client.post(self._job.sessions_path, {}, lines.append)
        if status != 201:
            raise Refused(status, b"".join(lines))
        return str(json.loads(b"".join(lines))["id"])

    async def _turn(self, client: Client, session: str) -> Turn:
        reading = Reading(of_gateway=not self._job.sessions_path)
        path = self._job.path.replace("{session}", session)
        status = await client.post(path, self._job.body, reading.take)
        if status != 200 or not reading.turn.ended:
            raise Refused(status, reading.answer)
        return reading.turn


class Refused(Exception):
    """A response without a completed turn."""


def main() -> None:
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    report = uvloop.run(Readers(Job(**json.load(sys.stdin))).run())
    json.dump(asdict(report), sys.stdout)


if __name__ == "__main__":
    main()
