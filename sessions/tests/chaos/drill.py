"""One run: rows, fleet, load, faults, verdict."""

from __future__ import annotations

import os
import time
from collections import Counter
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY

from accounts.models import User
from billing.models import Budget
from billing.services.budgets import budget_save
from orchestration.models import LlmModel
from sessions.models import Turn
from sessions.tests.chaos import verdict
from sessions.tests.chaos.faults import FAULTS, Faults, Step, plan_of
from sessions.tests.chaos.fleet import Fleet
from sessions.tests.chaos.load import Load, Person
from sessions.tests.chaos.weather import AGENTS, Weather
from sessions.tests.factories import bearer, make_agent, make_model, make_room, make_user
from sessions.tests.load.processes import UNLIMITED
from sessions.tests.support.postgres_process import PostgresProcess
from sessions.tests.support.server_process import until

MODES = ("manual", "roundtable", "orchestrator")
PICO = 10**12
TIGHT_LIMIT_PICO = PICO // 10
"""Budget of the last person: enough for a few turns at a time, and used up in the end."""

SETTLE_S = 120.0
"""Time after the last fault in which all readers must finish."""


@dataclass(frozen=True)
class Options:
    seed: int
    users: int
    rounds: int
    """Number of times each fault happens."""
    seconds: float
    """Minimum duration; rounds continue until it is over."""
    lease_s: float
    recover_every_s: float
    outage_s: float
    """The longest outage of a server, shorter than the rest of a lease in the worst case."""


def environment(options: Options) -> dict[str, str]:
    """Return the settings of all processes: limits off, leases and retries from the options."""
    return {
        "PANTHEON_LEASE_S": str(options.lease_s),
        "PANTHEON_RECOVER_EVERY_S": str(options.recover_every_s),
        "PANTHEON_PROVIDER_RETRY_BASE_S": "0.2",
        "PANTHEON_WAIT_S": "20",
        **UNLIMITED,
    }


def people(model: LlmModel, count: int) -> list[Person]:
    """Create people who share a large budget; the last one has a small one as well."""
    users = [make_user(f"user{number}") for number in range(count)]
    budget_save(budget=Budget(scope="everyone", limit_pico=1_000 * PICO))
    budget_save(budget=Budget(scope="user", target_id=users[-1].pk, limit_pico=TIGHT_LIMIT_PICO))
    found = []
    for user in users:
        agents = [make_agent(user, key, model) for key in AGENTS]
        rooms = {
            mode: str(make_room(user, *agents, mode=mode, goal="Decide well.", max_rounds=2).pk)
            for mode in MODES
        }
        found.append(Person(bearer(user), cookie(user), rooms))
    return found


def cookie(user: User) -> str:
    """Sign a person in to the pages; return the Cookie header."""
    store = import_module(settings.SESSION_ENGINE).SessionStore()
    store[SESSION_KEY] = str(user.pk)
    store[BACKEND_SESSION_KEY] = settings.AUTHENTICATION_BACKENDS[0]
    store[HASH_SESSION_KEY] = user.get_session_auth_hash()
    store.save()
    return f"{settings.SESSION_COOKIE_NAME}={store.session_key}"


def run(options: Options, directory: Path, postgres: PostgresProcess) -> dict[str, Any]:
    """Run everything on the settings' database, which `postgres` runs; return figures and breaches."""
    plan: list[Step] = []
    with Weather(options.seed) as weather:
        persons = people(make_model(weather, "gpt-test", max_output_tokens=256), options.users)
        with Fleet(directory, postgres, environment(options)) as fleet:
            load = Load(persons, lambda: fleet.ports, options.seed)
            faults = Faults(fleet, weather, load)
            started = time.monotonic()
            load.start()
            try:
                for step in plan_of(options.seed, outage_s=options.outage_s):
                    if (
                        len(plan) >= options.rounds * len(FAULTS)
                        and time.monotonic() - started >= options.seconds
                    ):
                        break
                    plan.append(step)
                    faults.inflict(step)
                faults.progress(options.users)
            except AssertionError as error:
                faults.breaches.append(f"no progress: {error}")
            finally:
                load.end(SETTLE_S)
            faults.breaches += settle()
            seconds = time.monotonic() - started
            codes = fleet.stop()
            logs = log_findings(fleet.logs)
        return report(options, plan, faults, load, weather, seconds, codes, logs)


def settle() -> list[str]:
    """Wait until no turn is active, including turns without readers; return errors if that does not happen."""
    try:
        until(lambda: not Turn.objects.active().exists(), timeout_s=SETTLE_S)
    except AssertionError:
        return [f"turns are still active after {SETTLE_S:.0f} s"]
    return []


def log_findings(paths: list[Path]) -> Counter[str]:
    """Return the last line of each traceback in the processes' logs -> count."""
    found: Counter[str] = Counter()
    for path in paths:
        inside = False
        for line in path.read_text(errors="replace").splitlines():
            if line.lstrip("| ").startswith("Traceback (most recent call last)"):
                inside = True
            elif inside and line and not line.startswith((" ", "|", "+")):
                found[line[:160]] += 1
                inside = False
    return found


def report(
    options: Options,
    plan: list[Step],
    faults: Faults,
    load: Load,
    weather: Weather,
    seconds: float,
    codes: dict[str, int],
    logs: Counter[str],
) -> dict[str, Any]:
    record, figures = load.record, verdict.Figures()
    breaches = [*record.breaches, *faults.breaches]
    breaches += [f"{name} ended with {code}" for name, code in codes.items()]
    for slot, bill in sorted(verdict.bills(weather.served).items()):
        breaches += verdict.differences(slot, bill, figures)
    audit = list(verdict.money())
    breaches += [*verdict.turns(record), *audit, *verdict.interruptions(faults.done)]
    return {
        "seed": options.seed,
        "seconds": round(seconds),
        "load_average": [round(value, 1) for value in os.getloadavg()],
        "faults": dict(sorted(Counter(step.fault for step in plan).items())),
        "weather": dict(sorted(Counter(step.mood for step in plan).items())),
        "turns": verdict.turn_counts(),
        "accepted": len(record.accepted),
        "keys": len(record.keys),
        "readers": len(record.transcripts),
        "events": sum(transcript.events for transcript in record.transcripts),
        "events_in_disorder": sum(transcript.disorder for transcript in record.transcripts),
        "reconnects": sum(transcript.cuts for transcript in record.transcripts),
        "snapshots": sum(transcript.snapshots for transcript in record.transcripts),
        "answers": dict(sorted(record.answers.items())),
        "calls": {"served": len(weather.served), **vars(figures)},
        "audit": audit or "clean",
        "recovery_s": verdict.summary_of(verdict.recovery_s(faults.done)),
        "first_event_s": verdict.summary_of(verdict.first_event_s(record.first_events, ())),
        "first_event_outside_of_outages_s": verdict.summary_of(
            verdict.first_event_s(record.first_events, faults.done)
        ),
        "tracebacks": dict(logs.most_common(20)),
        "breaches": breaches,
    }
