"""Measure an orchestrator's round, beside the providers' time alone. See bench/README.md."""

from __future__ import annotations

import argparse
import asyncio
import datetime as dt
import json
import os
import statistics
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from orchestration.tests.providers import ProviderServer

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "bin" / "lib")]
AGENTS = ("ana", "bob", "cy")


@contextmanager
def environment() -> Iterator[None]:
    """Set Django up on a temporary SQLite file, without the caller's settings."""
    import hermetic

    with tempfile.TemporaryDirectory(prefix="pantheon-bench-", ignore_cleanup_errors=True) as directory:
        hermetic.clean(os.environ, data_dir=directory)
        for name in ("DATABASE_URL", "REDIS_URL"):
            os.environ.pop(name, None)
        os.environ |= {"DJANGO_SETTINGS_MODULE": "pantheon.settings", "PANTHEON_LOG_LEVEL": "WARNING"}
        import django
        from django.core.management import call_command
        from django.db import connections

        django.setup()
        call_command("migrate", verbosity=0)
        try:
            yield
        finally:
            connections.close_all()


@contextmanager
def provider(delay_s: float) -> Iterator[ProviderServer]:
    """A provider whose manager answers at once and whose specialists take `delay_s`."""
    from orchestration.tests.providers import Answer, OpenAIServer
    from sessions.tests.support.councils import ROUTE, SYNTHESIZE, decision, says

    with OpenAIServer() as server:
        server.when(ROUTE, Answer(decision(*((key, "Speak.") for key in AGENTS))), always=True)
        server.when(SYNTHESIZE, Answer("Together."), always=True)
        for key in AGENTS:
            server.when(says(key), Answer(f"I am {key}.", first_delay_s=delay_s), always=True)
        yield server


def council_turns(server: ProviderServer, turns: int) -> list[tuple[float, float]]:
    """Run turns of a council of three; return (seconds of the round, seconds of the whole turn) for each."""
    from sessions.live.runtime import runtime
    from sessions.services.turn_accept import turn_accept
    from sessions.services.turn_request import TurnRequest
    from sessions.tests.factories import make_agent, make_model, make_room, make_session, make_user

    user = make_user("bench")
    model = make_model(server)
    agents = [make_agent(user, key, model) for key in AGENTS]
    room = make_room(user, *agents, mode="orchestrator", goal="Decide well.")
    measured = []
    try:
        for _ in range(turns):
            request = TurnRequest(message="Shall we?", max_rounds=1)
            begun = time.perf_counter()
            turn = turn_accept(user=user, session=make_session(user, room), request=request)
            runtime.submit(turn.pk)
            events = asyncio.run(events_of(turn.pk))
            measured.append((round_s(events), time.perf_counter() - begun))
    finally:
        runtime.stop()
    return measured


async def events_of(turn_id: uuid.UUID) -> list[dict[str, str]]:
    """Return a turn's events after its end."""
    from sessions.events.eventlog import event_log

    while True:
        entries = await event_log.after(turn_id, 0) or []
        if entries and entries[-1].terminal:
            return [json.loads(entry.data) for entry in entries]
        await event_log.wait(turn_id, entries[-1].seq if entries else 0, 1.0)


def round_s(events: list[dict[str, str]]) -> float:
    """Return the seconds from the manager's decision to the last specialist's end."""
    assert events[-1]["type"] == "turn.completed", events[-1]
    decided = next(event["at"] for event in events if event["type"] == "routing.decided")
    ends = [event["at"] for event in events if event["type"] == "step.completed"]
    assert len(ends) == len(AGENTS) + 1
    return (dt.datetime.fromisoformat(ends[-2]) - dt.datetime.fromisoformat(decided)).total_seconds()


async def sdk_rounds(server: object, rounds: int) -> list[tuple[float, float]]:
    """Make the specialists' calls with the SDK alone; return each round's seconds in parallel and in sequence."""
    import openai

    bodies = specialists_requests(server)
    async with openai.AsyncOpenAI(api_key="bench", base_url=server.base_url, max_retries=0) as client:  # type: ignore[attr-defined]

        async def call(body: dict[str, object]) -> None:
            async for _ in await client.chat.completions.create(**body):  # type: ignore[call-overload]
                pass

        await asyncio.gather(*map(call, bodies))  # opens the connections
        measured = []
        for _ in range(rounds):
            begun = time.perf_counter()
            await asyncio.gather(*map(call, bodies))
            together = time.perf_counter()
            for body in bodies:
                await call(body)
            measured.append((together - begun, time.perf_counter() - together))
    return measured


def specialists_requests(server: object) -> list[dict[str, object]]:
    """Return the requests of one round, as the council sent them."""
    from sessions.tests.support.councils import says

    sent = [served.body for served in server.served]  # type: ignore[attr-defined]
    return [next(body for body in sent if says(key) in str(body["messages"])) for key in AGENTS]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--delay-s", type=float, default=0.5, help="how long each specialist thinks (0.5)")
    parser.add_argument("--turns", type=int, default=10, help="how many turns are measured (10)")
    options = parser.parse_args()
    with environment(), provider(options.delay_s) as server:
        council = council_turns(server, options.turns + 1)[1:]  # the first opens the connections
        sdk = asyncio.run(sdk_rounds(server, options.turns))
    median: Callable[[list[float]], float] = statistics.median
    round_, turn = median([row[0] for row in council]), median([row[1] for row in council])
    together, in_turn = median([row[0] for row in sdk]), median([row[1] for row in sdk])
    print(f"three specialists of {options.delay_s:g} s each, median of {options.turns}:")
    for name, value in (
        ("SDK, one after the other", in_turn),
        ("SDK, side by side", together),
        ("council, its round", round_),
        ("council, the whole turn", turn),
    ):
        print(f"  {name:<26} {value:7.3f} s   {value / options.delay_s:5.2f} x the delay")
    print(f"  round / SDK side by side       {round_ / together:5.2f}")
    print(f"  round / SDK one after another  {round_ / in_turn:5.2f}")


if __name__ == "__main__":
    main()
