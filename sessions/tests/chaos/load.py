"""People who send messages without pause, in every mode and response form, and read from any web process that is up."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import random
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import httpx2

from sessions.tests.chaos.transcript import Transcript

MESSAGES = {
    "manual": "@ana and @cy, what of",
    "roundtable": "What do you make of",
    "orchestrator": "Decide about",
}
TURNS_PER_SESSION = 10
"""Then a new session follows: histories and requests to the provider stay short."""

BACKGROUND, WAIT, STREAM = "background", "wait", "stream"
ANSWER_TIMEOUT_S = 45.0
"""Longer than every wait of a server before it responds."""

RETRY_S = 0.2
REFUSED_S = 0.7
LAWFUL_FAILURES = {
    "provider_error",
    "provider_unavailable",
    "provider_timeout",
    "internal_error",
    "budget_exceeded",
}
"""Accepted errors of turns without an answer; `internal_error` is that of a turn that was given up."""


@dataclass(frozen=True)
class Person:
    """A user with a token, a session cookie, and a room for each mode."""

    authorization: str
    cookie: str
    rooms: dict[str, str]
    """Mode -> room id."""


@dataclass
class Record:
    """The client side's observations."""

    breaches: list[str] = field(default_factory=list)
    accepted: set[str] = field(default_factory=set)
    """Ids of turns promised by a response."""
    keys: dict[str, set[str]] = field(default_factory=dict)
    """Idempotency key -> ids of turns returned for it."""
    transcripts: list[Transcript] = field(default_factory=list)
    answers: Counter[str] = field(default_factory=Counter)
    """Status and code, or the connection's error -> count."""
    first_events: list[tuple[float, float]] = field(default_factory=list)
    """(request, first event) of streamed turns, in seconds since the epoch."""

    def breach(self, text: str) -> None:
        self.breaches.append(text)

    @property
    def finished(self) -> int:
        return sum(1 for transcript in list(self.transcripts) if transcript.end)


class Refused(Exception):
    """A response without a turn."""

    def __init__(self, status: int, code: str) -> None:
        super().__init__(f"{status} {code}")
        self.status, self.code = status, code


class Load:
    """Runs on a thread of its own until it is ended; then every reader reads to its turn's end."""

    def __init__(self, people: list[Person], ports: Callable[[], tuple[int, ...]], seed: int) -> None:
        self.record = Record()
        self._people = people
        self._ports = ports
        self._seed = seed
        self._ending = threading.Event()
        self._questions = itertools.count(1)
        self._thread = threading.Thread(target=self._run, name="load")
        self._client: httpx2.AsyncClient

    def start(self) -> None:
        self._thread.start()

    def end(self, timeout_s: float) -> None:
        """Send nothing new, and return when all readers have finished, or when the time is over."""
        self._ending.set()
        self._thread.join(timeout_s)
        if self._thread.is_alive():
            waiting = [one.turn_id for one in self.record.transcripts if not one.end]
            self.record.breach(f"readers did not come to an end in {timeout_s:.0f} s: {waiting}")

    def _run(self) -> None:
        try:
            asyncio.run(self._everybody())
        except BaseException as error:
            self.record.breach(f"the load broke: {error!r}")
            raise

    async def _everybody(self) -> None:
        limits = httpx2.Limits(max_connections=None, max_keepalive_connections=0)
        timeout = httpx2.Timeout(ANSWER_TIMEOUT_S, connect=5.0)
        async with (
            httpx2.AsyncClient(limits=limits, timeout=timeout) as self._client,
            asyncio.TaskGroup() as group,
        ):
            for number, person in enumerate(self._people):
                group.create_task(self._browse(person))
                for mode in person.rooms:
                    draw = random.Random(f"{self._seed} {number} {mode}")
                    group.create_task(self._converse(person, mode, draw))

    # --- Pages --------------------------------------------------------------------------------------------------------

    async def _browse(self, person: Person) -> None:
        """Request pages: each is shown, or fails with a friendly error page."""
        while not self._ending.is_set():
            for path in ("/", f"/rooms/{person.rooms['manual']}", "/usage"):
                with contextlib.suppress(httpx2.TransportError):
                    page = await self._client.get(self._url() + path, headers={"Cookie": person.cookie})
                    self.record.answers[f"page {page.status_code}"] += 1
                    friendly = page.status_code == 503 and "error-page" in page.text
                    newest = page.headers.get("Location", "").startswith("/sessions/")
                    if page.status_code != 200 and not friendly and not newest:
                        self.record.breach(f"page {path}: {page.status_code} {page.text[:300]}")
                await asyncio.sleep(0.5)

    # --- Turns --------------------------------------------------------------------------------------------------------

    async def _converse(self, person: Person, mode: str, draw: random.Random) -> None:
        while not self._ending.is_set():
            session = await self._new_session(person, mode)
            for _ in range(TURNS_PER_SESSION):
                if self._ending.is_set():
                    return
                await self._ask(person, session, mode, draw)
                await asyncio.sleep(draw.random() * 0.5)

    async def _new_session(self, person: Person, mode: str) -> str:
        while True:
            try:
                made = await self._post(person, f"rooms/{person.rooms[mode]}/sessions", {}, {})
                return str(made["id"])
            except (httpx2.TransportError, Refused):
                await asyncio.sleep(RETRY_S)

    async def _ask(self, person: Person, session: str, mode: str, draw: random.Random) -> None:
        """Ask one question until it is answered or known to be refused, and read its turn to the end."""
        way = draw.choice([BACKGROUND, BACKGROUND, WAIT, STREAM, STREAM])
        key = str(uuid.uuid4()) if draw.random() < 0.6 else None
        while True:
            text = f"{MESSAGES[mode]} [q{next(self._questions)}]?"
            turn_id = await self._until_answered(person, session, text, way, key)
            if turn_id is not None or self._ending.is_set():
                break
            key = key and str(uuid.uuid4())
            await asyncio.sleep(REFUSED_S)
        if turn_id and key and draw.random() < 0.3:
            await self._until_answered(person, session, text, way, key, again=True)

    async def _until_answered(
        self, person: Person, session: str, text: str, way: str, key: str | None, *, again: bool = False
    ) -> str | None:
        """Return the turn's id; None if it was refused, or unknown because there is no key."""
        while True:
            try:
                turn_id = await self._answer(person, session, text, way, key)
            except (httpx2.TransportError, Refused) as error:
                if key is None or (isinstance(error, Refused) and error.status in (402, 409)):
                    if again:
                        self.record.breach(f"a request that was answered is refused when repeated: {error}")
                    return None
                await asyncio.sleep(RETRY_S)
                continue
            self.record.accepted.add(turn_id)
            if key is not None:
                self.record.keys.setdefault(key, set()).add(turn_id)
            return turn_id

    async def _answer(self, person: Person, session: str, text: str, way: str, key: str | None) -> str:
        """Make one request for a turn; if accepted, read the turn's events to the end. Return its id."""
        path = f"sessions/{session}/turns"
        body = {"message": text, **({way: True} if way != WAIT else {})}
        headers = {"Idempotency-Key": key} if key else {}
        if way == STREAM:
            return await self._stream(person, path, body, headers)
        turn_id = str((await self._post(person, path, body, headers))["id"])
        await self._read(person, Transcript(turn_id, self.record.breach))
        return turn_id

    async def _post(
        self, person: Person, path: str, body: dict[str, Any], headers: dict[str, str]
    ) -> dict[str, Any]:
        headers = {"Authorization": person.authorization, **headers}
        try:
            response = await self._client.post(f"{self._url()}/api/v1/{path}", json=body, headers=headers)
        except httpx2.TransportError as error:
            self._note(error, f"POST {path}")
            raise
        return self._json(response, f"POST {path}")

    async def _stream(self, person: Person, path: str, body: dict[str, Any], headers: dict[str, str]) -> str:
        headers = {"Authorization": person.authorization, **headers}
        transcript: Transcript | None = None
        begun = time.time()
        try:
            async with self._client.stream(
                "POST", f"{self._url()}/api/v1/{path}", json=body, headers=headers
            ) as response:
                if not response.headers.get("content-type", "").startswith("text/event-stream"):
                    await response.aread()
                    return str(self._json(response, f"POST {path}")["id"])
                self.record.answers["POST 200"] += 1
                transcript = Transcript(response.headers["Location"].rpartition("/")[2], self.record.breach)
                async for line in response.aiter_lines():
                    transcript.line(line)
                    if transcript.last and "Idempotent-Replayed" not in response.headers and begun:
                        self.record.first_events.append((begun, time.time()))
                        begun = 0.0
        except httpx2.TransportError as error:
            self._note(error, f"POST {path}")
            if transcript is None:
                raise
        await self._read(person, transcript)
        return transcript.turn_id

    async def _read(self, person: Person, transcript: Transcript) -> None:
        """Read a turn's events from the transcript's position to the end, over as many connections as needed."""
        self.record.transcripts.append(transcript)
        path = f"turns/{transcript.turn_id}/events"
        while not transcript.end:
            headers = {"Authorization": person.authorization, "Last-Event-ID": str(transcript.last)}
            try:
                async with self._client.stream(
                    "GET", f"{self._url()}/api/v1/{path}", headers=headers
                ) as response:
                    if response.status_code == 204:
                        self.record.breach(
                            f"{transcript.turn_id}: nothing after {transcript.last}, which was no end"
                        )
                        return
                    if response.status_code != 200:
                        await response.aread()
                        self._json(response, f"GET {path}")
                    async for line in response.aiter_lines():
                        transcript.line(line)
            except httpx2.TransportError as error:
                self._note(error, f"GET {path}")
            except Refused as error:
                if error.status != 503:
                    self.record.breach(f"GET {path}: {error}")
                    return
            if not transcript.end:
                transcript.cut()
                await asyncio.sleep(RETRY_S)

    def _json(self, response: httpx2.Response, what: str) -> dict[str, Any]:
        """Return the response's JSON. Raises Refused; any other response is a breach."""
        try:
            body: dict[str, Any] = response.json()
        except ValueError:
            self.record.breach(f"{what}: {response.status_code} is not JSON: {response.text[:300]!r}")
            raise Refused(response.status_code, "no JSON") from None
        if response.status_code < 300:
            self.record.answers[f"{what.split()[0]} {response.status_code}"] += 1
            return body
        error = body["error"]
        status, code = response.status_code, error["code"]
        self.record.answers[f"{what.split()[0]} {status} {code}"] += 1
        if turn_id := error["details"].get("turn_id"):  # a turn without an answer was accepted nevertheless
            if code not in LAWFUL_FAILURES:
                self.record.breach(f"{what}: {response.text[:300]}")
            return {"id": turn_id}
        if (status, code) not in {(503, "unavailable"), (402, "budget_exceeded"), (409, "turn_in_progress")}:
            self.record.breach(f"{what}: {status} {response.text[:300]}")
        raise Refused(status, code)

    def _note(self, error: httpx2.TransportError, what: str) -> None:
        self.record.answers[f"{what.split()[0]} {type(error).__name__}"] += 1
        if isinstance(error, httpx2.TimeoutException) and not isinstance(error, httpx2.ConnectTimeout):
            self.record.breach(f"{what}: no answer within {ANSWER_TIMEOUT_S:.0f} s")

    def _url(self) -> str:
        return f"http://127.0.0.1:{random.choice(self._ports())}"
