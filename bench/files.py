"""Measure what a file costs a turn of our own time, apart from its upload.

    .venv/bin/python bench/files.py [--turns 20]

Three agents are asked about a text of 0, 25,000 and 100,000 tokens: the turn is accepted under a hard budget, claimed,
and each agent's request is built, bounded and encoded as for a provider, none of which waits for a model. On a
temporary SQLite file, or with DATABASE_URL on that PostgreSQL, whose tables it fills. Exits with 1 if a megabyte of the
longest text costs more than 1.5 times a megabyte of the shorter one: then something is not proportional to the bytes.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sessions.models import Agent, File

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "bin" / "lib")]
TOKENS = (0, 25_000, 100_000)
BYTES_PER_TOKEN = 4
AGENTS = 3
ALLOWED = 1.5
PARTS = ("accepted", "claimed", "requests built")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--turns", type=int, default=20, help="turns of each size (20)")
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.inside:
        sys.exit(inside(arguments.turns))
    import hermetic

    with tempfile.TemporaryDirectory(prefix="pantheon-bench-") as data_dir:
        environment = dict(os.environ)
        hermetic.clean(environment, data_dir=data_dir)
        environment |= {"PANTHEON_LOG_LEVEL": "ERROR", "DJANGO_SETTINGS_MODULE": "pantheon.settings"}
        command = [sys.executable, __file__, "--turns", str(arguments.turns), "--inside"]
        sys.exit(subprocess.run(command, env=environment, cwd=ROOT, check=False).returncode)


def inside(turns: int) -> int:
    import django
    from django.core.management import call_command
    from django.db import connection

    django.setup()
    call_command("migrate", verbosity=0)
    from billing.models import Budget
    from billing.services.budgets import budget_save
    from sessions.dispatch import use_dispatcher
    from sessions.tests.factories import make_agent, make_file, make_model, make_user

    use_dispatcher(None)
    budget_save(budget=Budget(scope="everyone", limit_pico=10**17))
    user, model = make_user("bench"), make_model(context_window=1_000_000)
    agents = [make_agent(user, f"agent{number}", model) for number in range(AGENTS)]
    print(f"{connection.vendor}: a turn of {AGENTS} agents, median of {turns}")
    print(f"   tokens   {'   '.join(f'{part:>14}' for part in PARTS)}   per MB of text")
    base, per_mb = 0.0, []
    for tokens in TOKENS:
        file = make_file(user, f"{tokens}.txt", text_of(tokens)) if tokens else None
        rows = [measured(agents, file) for _ in range(turns + 1)][1:]
        medians = [statistics.median(column) * 1e3 for column in zip(*rows, strict=True)]
        if not tokens:
            base = sum(medians)
        megabytes = tokens * BYTES_PER_TOKEN / 1e6
        share = (sum(medians) - base) / megabytes if tokens else 0.0
        per_mb.append(share)
        shown = "   ".join(f"{took:11.1f} ms" for took in medians)
        print(f"  {tokens:7,}   {shown}   {f'{share:8.1f} ms' if tokens else ''}")
    return int(per_mb[-1] > ALLOWED * per_mb[1])


def text_of(tokens: int) -> str:
    """Return a text of this many tokens, by our estimate."""
    line = "The tenant pays 1,200 a month, in advance; what the roof costs is open.\n"
    return (line * (tokens * BYTES_PER_TOKEN // len(line) + 1))[: tokens * BYTES_PER_TOKEN]


def measured(agents: list[Agent], file: File | None) -> tuple[float, float, float]:
    """Return the seconds of each part of a turn, in the order of PARTS."""
    from orchestration.engine.bounds import most_input
    from orchestration.engine.run import reply_plan
    from orchestration.gateway.openai_chat import request_body
    from sessions.services.leases import turn_claim
    from sessions.services.turn_accept import turn_accept
    from sessions.services.turn_request import TurnRequest
    from sessions.tests.factories import make_room, make_session

    user = agents[0].owner
    session = make_session(user, make_room(user, *agents))
    request = TurnRequest(message="@all What is due?", files=(file,) if file else ())
    began = time.perf_counter()
    turn = turn_accept(user=user, session=session, request=request)
    accepted = time.perf_counter()
    claimed = turn_claim(turn_id=turn.pk, runner_id=turn.pk)
    assert claimed is not None
    taken = time.perf_counter()
    for agent in claimed.spec.roster:
        plan = reply_plan(claimed.spec, agent)
        most_input(plan.request)
        json.dumps(request_body(plan.request, "127.0.0.1")).encode()
    built = time.perf_counter()
    return accepted - began, taken - accepted, built - taken


if __name__ == "__main__":
    main()
