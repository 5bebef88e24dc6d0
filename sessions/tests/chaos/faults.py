"""Faults of the fleet: a plan made from a seed, carried out step by step while turns continue."""

from __future__ import annotations

import random
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from django.db import connections

from sessions.models import Turn
from sessions.tests.chaos.fleet import WEB, WORKER, Fleet
from sessions.tests.chaos.load import Load
from sessions.tests.chaos.weather import FAIR, MOODS, Weather
from sessions.tests.support.server_process import until

KILL_WORKER, KILL_WEB = "kill a worker", "kill a web process"
ROLL_WORKER, ROLL_WEB = "replace a worker", "replace a web process"
RESTART_REDIS, STOP_POSTGRES, CRASH_POSTGRES = "restart Redis", "stop PostgreSQL", "crash PostgreSQL"
FAULTS = (KILL_WORKER, KILL_WEB, ROLL_WORKER, ROLL_WEB, RESTART_REDIS, STOP_POSTGRES, CRASH_POSTGRES)

PROGRESS_TIMEOUT_S = 90.0
STRUCK = 6
"""Number of requests that meet the provider in each of its moods."""

RUNNING = 2
"""Number of running turns when a fault hits their runners."""


@dataclass(frozen=True)
class Step:
    fault: str
    mood: str
    """The provider's mood, during the fault and for some more requests."""
    after: int
    """Number of turns that end before the fault, so that it hits turns in all stages."""
    seed: int
    lasts: float
    """Seconds of an outage, shorter than a lease tolerates."""


@dataclass
class Done:
    """A fault as it happened, in seconds since the epoch."""

    fault: str
    at: float
    until: float = 0.0


def plan_of(seed: int, *, outage_s: float) -> Iterator[Step]:
    """Yield every fault and every mood once per round, in an order and with pauses drawn from the seed."""
    draw = random.Random(seed)
    while True:
        moods = draw.sample([*MOODS, *[FAIR] * (len(FAULTS) - len(MOODS))], len(FAULTS))
        for fault, mood in zip(draw.sample(FAULTS, len(FAULTS)), moods, strict=True):
            lasts = round(draw.uniform(0.2, outage_s), 2)
            yield Step(fault, mood, draw.randrange(1, 4), draw.randrange(2**32), lasts)


@dataclass
class Faults:
    """Carries a plan out, one fault at a time."""

    fleet: Fleet
    weather: Weather
    load: Load
    done: list[Done] = field(default_factory=list)
    breaches: list[str] = field(default_factory=list)

    def inflict(self, step: Step) -> None:
        """Wait for progress, cause the fault, and return when the affected part is up again."""
        self.progress(step.after)
        draw = random.Random(step.seed)
        if step.fault in (KILL_WORKER, ROLL_WORKER, STOP_POSTGRES, CRASH_POSTGRES):
            until(
                lambda: Turn.objects.filter(status="running").count() >= RUNNING, timeout_s=PROGRESS_TIMEOUT_S
            )
        print(f"{step}", file=sys.stderr, flush=True)  # noqa: T201  (which step it was when something breaks)
        done = Done(step.fault, time.time())
        self.done.append(done)
        actions: dict[str, Callable[[], Any]] = {
            KILL_WORKER: lambda: self.fleet.kill(WORKER, draw),
            KILL_WEB: lambda: self.fleet.kill(WEB, draw),
            ROLL_WORKER: lambda: self._replace(WORKER, draw),
            ROLL_WEB: lambda: self._replace(WEB, draw),
            RESTART_REDIS: lambda: self._restart_redis(step.lasts),
            STOP_POSTGRES: lambda: self._restart_postgres(step.lasts, crash=False),
            CRASH_POSTGRES: lambda: self._restart_postgres(step.lasts, crash=True),
        }
        with self._weather(step.mood):
            actions[step.fault]()
            done.until = time.time()

    def progress(self, turns: int) -> None:
        """Return when this many more turns have ended."""
        mark = self.load.record.finished + turns
        until(lambda: self.load.record.finished >= mark, timeout_s=PROGRESS_TIMEOUT_S)

    def _replace(self, role: str, draw: random.Random) -> None:
        code = self.fleet.replace(role, draw)
        if code != 0:
            self.breaches.append(f"a {role} that was told to stop ended with {code}")

    def _restart_redis(self, outage_s: float) -> None:
        self.fleet.redis.kill()
        time.sleep(outage_s)
        self.fleet.redis.start()

    def _restart_postgres(self, outage_s: float, *, crash: bool) -> None:
        self.fleet.postgres.stop(crash=crash)
        time.sleep(outage_s)
        self.fleet.postgres.start()
        connections.close_all()  # the outage has broken this process's connections too

    @contextmanager
    def _weather(self, mood: str) -> Iterator[None]:
        """Put the provider in a mood, until some requests have met it."""
        self.weather.mood = mood
        mark = self.weather.struck + STRUCK
        try:
            yield
            if mood != FAIR:
                until(lambda: self.weather.struck >= mark, timeout_s=PROGRESS_TIMEOUT_S)
        finally:
            self.weather.mood = FAIR
