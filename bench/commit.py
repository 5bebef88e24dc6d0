"""Measure the overhead of metering: the commit of a turn with its bill, beside the same commit without one.

    .venv/bin/python bench/commit.py [--turns 60]

On a temporary PostgreSQL and on a temporary SQLite file, one turn after the other, under two hard budgets and a soft
one. The commit without metering writes the same turn and the same messages in the same kind of transaction: the same
code, without `usage_stage`.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from accounts.models import User
    from orchestration.models import LlmModel
    from sessions.models import Turn

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "bin" / "lib")]
CALLS = (1, 4, 12)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--turns", type=int, default=60, help="turns of each size, with metering and without (60)"
    )
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.inside:
        sys.exit(inside(arguments.turns))
    import hermetic
    from testservers import servers

    with servers() as urls, tempfile.TemporaryDirectory(prefix="pantheon-bench-") as data_dir:
        environment = dict(os.environ)
        hermetic.clean(environment, data_dir=data_dir)
        environment |= {"PANTHEON_LOG_LEVEL": "ERROR", "DJANGO_SETTINGS_MODULE": "pantheon.settings"}
        for name in ("DATABASE_URL", "REDIS_URL"):
            environment.pop(name, None)
        command = [sys.executable, __file__, "--turns", str(arguments.turns), "--inside"]
        for database in ({"DATABASE_URL": urls["DATABASE_URL"]}, {}):
            subprocess.run(command, env=environment | database, cwd=ROOT, check=True)


def inside(turns: int) -> int:
    """Measure on the environment's database; return 1 if the number of statements grows with the calls."""
    import django
    from django.core.management import call_command
    from django.db import connection

    django.setup()
    call_command("migrate", verbosity=0)
    user, model = prepare()
    print(f"{connection.vendor}: the commit of a turn, median of {turns}")
    print("  calls   without   metered   ratio   added per call   statements")
    counted = set()
    for calls in CALLS:
        seconds: dict[bool, list[float]] = {True: [], False: []}
        statements = 0
        for number in range(2 * turns + 2):  # the first pair opens connections and plans statements
            metered = bool(number % 2)
            took, statements_now = committed(user, model, calls, metered=metered)
            if number > 1:
                seconds[metered].append(took)
            statements = max(statements, statements_now)
        bare, whole = statistics.median(seconds[False]) * 1e3, statistics.median(seconds[True]) * 1e3
        added = (whole - bare) / calls
        counted.add(statements)
        print(
            f"  {calls:5}   {bare:4.1f} ms   {whole:4.1f} ms   {whole / bare:5.2f}   {added:11.2f} ms   {statements:10}"
        )
    return int(len(counted) > 1)


def prepare() -> tuple[User, LlmModel]:
    from billing.models import Budget
    from billing.services.budgets import budget_save
    from sessions.dispatch import use_dispatcher
    from sessions.tests.factories import make_model, make_user

    use_dispatcher(None)
    user = make_user("bench")
    for fields in ({}, {"applies": "each", "period": "day"}, {"hard": False}):
        budget_save(budget=Budget(scope="everyone", limit_pico=10**17, **fields))
    return user, make_model()


def committed(user: User, model: LlmModel, calls: int, *, metered: bool) -> tuple[float, int]:
    """Commit a turn whose calls are all in the journal; return seconds and statements of the commit."""
    from unittest import mock

    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    from orchestration.engine.result import TurnResult
    from sessions.services.calls import TurnCalls
    from sessions.services.leases import turn_claim
    from sessions.services.turn_commit import turn_commit
    from sessions.tests.services.test_turn_commit import finish_call

    turn = accepted(user, model, calls)
    claimed = turn_claim(turn_id=turn.pk, runner_id=turn.pk)
    assert claimed is not None
    answers = [
        finish_call(claimed, key, number) for number, key in enumerate(claimed.spec.addressed, start=1)
    ]
    result = TurnResult("completed", tuple(answers))
    written = TurnCalls(list(turn.calls.order_by("number")))
    staged = mock.patch("sessions.services.turn_commit.usage_stage") if not metered else mock.MagicMock()
    with staged, CaptureQueriesContext(connection) as queries:
        begun = time.perf_counter()
        turn_commit(claimed=claimed, result=result, last_event_seq=1, written=written)
        took = time.perf_counter() - begun
    return took, len(queries)


def accepted(user: User, model: LlmModel, calls: int) -> Turn:
    from sessions.models import Agent
    from sessions.services.turn_accept import turn_accept
    from sessions.services.turn_request import TurnRequest
    from sessions.tests.factories import make_agent, make_room, make_session

    agents = [
        Agent.objects.filter(owner=user, key=f"a{number}").first() or make_agent(user, f"a{number}", model)
        for number in range(calls)
    ]
    session = make_session(user, make_room(user, *agents))
    return turn_accept(user=user, session=session, request=TurnRequest(message="@all hello"))


if __name__ == "__main__":
    main()
