"""Measure the cost dashboard on a big ledger.

    .venv/bin/python bench/dashboard.py [--events 10000000] [--rounds 40] [--plans]

Fills PostgreSQL with a year of usage events (500 people in 20 teams, 40 models) and their rollup, at a tenth of the
size and at full size, checks that the rollup sums to the events, and prints the latency of every view over random
30-day ranges. The server is a temporary one, unless DATABASE_URL names another: its usage tables are filled, so it
must be empty. Views are called one at a time as the web server calls them, middleware and sign-in included.
"""

from __future__ import annotations

import argparse
import asyncio
import datetime as dt
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import quantiles
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "bin" / "lib")]

from dashboard_ledger import DAYS, DEFAULT_MODEL, fill, md5_uuid, prepare  # noqa: E402


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--events", type=int, default=10_000_000)
    parser.add_argument("--rounds", type=int, default=40, help="requests of each view")
    parser.add_argument("--only-full", action="store_true", help="not also at a tenth of the size")
    parser.add_argument(
        "--filled", action="store_true", help="measure again what DATABASE_URL was filled with"
    )
    parser.add_argument(
        "--plans", action="store_true", help="print the plans of the slowest view's statements"
    )
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if not arguments.inside:
        from testservers import servers

        with servers() as urls, tempfile.TemporaryDirectory(prefix="pantheon-") as data_dir:
            environment = {**os.environ, **urls, "PANTHEON_DATA_DIR": data_dir, "PANTHEON_LOG_LEVEL": "ERROR"}
            environment["DJANGO_SETTINGS_MODULE"] = "pantheon.settings"
            command = [sys.executable, __file__, *sys.argv[1:], "--inside"]
            sys.exit(subprocess.run(command, env=environment, cwd=ROOT).returncode)
    import django
    from django.core.management import call_command

    from pantheon import lifecycle

    django.setup()
    lifecycle.freeze_after_startup()  # as the web server does
    call_command("migrate", verbosity=0)
    call_command("collectstatic", interactive=False, verbosity=0)
    sizes = [arguments.events] if arguments.only_full else [arguments.events // 10, arguments.events]
    if arguments.filled:
        sizes = sizes[-1:]
    else:
        prepare()
    measured = {}
    for size in sizes:
        if not arguments.filled:
            fill(size)
        print(f"load of the machine: {os.getloadavg()[0]:.1f} of {os.cpu_count()} processors", flush=True)
        measured[size] = measure(arguments.rounds, plans=arguments.plans)
        print(f"load of the machine: {os.getloadavg()[0]:.1f} of {os.cpu_count()} processors", flush=True)
    report(measured)


def views() -> dict[str, Callable[[str], str]]:
    """Return name -> function from the query string of a range to the view's URL."""
    team, big, user, room = md5_uuid("team3"), md5_uuid("team0"), md5_uuid("user42"), md5_uuid("room42-1")
    paths = {f"costs by {group}": f"/admin/costs/?{{}}&group_by={group}" for group in GROUPS}
    paths |= {
        "costs of a team": f"/admin/costs/?{{}}&team={team}",
        "costs of the team of half of all": f"/admin/costs/?{{}}&team={big}",
        "the same by person": f"/admin/costs/?{{}}&team={big}&group_by=user",
        "costs of a model": "/admin/costs/?{}&model=bench-8",
        "costs of the model of two thirds": f"/admin/costs/?{{}}&model=bench-{DEFAULT_MODEL}",
        "costs of the only provider": "/admin/costs/?{}&provider=bench",
        "costs of a mode": "/admin/costs/?{}&mode=manual",
        "costs of replies": "/admin/costs/?{}&purpose=reply",
        "costs of no agent": "/admin/costs/?{}&agent=none",
        "costs of replies in the big team": f"/admin/costs/?{{}}&purpose=reply&team={big}",
        "costs of a person": f"/admin/costs/?{{}}&user={user}",
        "costs of a room": f"/admin/costs/?{{}}&room={room}",
        "costs of routing": "/admin/costs/?{}&purpose=route",
        "shown.csv": "/admin/costs/shown.csv?{}",
        "teams, 3 months": "/admin/costs/teams/?months=3&{}",
        "teams, 12 months": "/admin/costs/teams/?months=12&{}",
        "API by day": "/api/v1/admin/usage/summary?{}&group_by=day",
        "API by user": "/api/v1/admin/usage/summary?{}&group_by=user",
        "API by room": "/api/v1/admin/usage/summary?{}&group_by=room",
        "own usage": "/usage?{}",
        "events of all": "events:",
        "events of a team": f"events:team={team}",
        "events of a person": f"events:user={user}",
        "events of a room": f"events:room={room}",
        "events of a model": "events:model=bench-7",
        "events.csv, first byte": "/admin/costs/events.csv?{}",
        "events.csv of a room, first byte": f"/admin/costs/events.csv?{{}}&room={room}",
        "API export.csv, first byte": "/api/v1/admin/usage/export.csv?{}",
    }
    return {name: address_of(path) for name, path in paths.items()}


GROUPS = ("day", "team", "user", "model", "provider", "room", "agent", "mode", "purpose")


def address_of(path: str) -> Callable[[str], str]:
    if not path.startswith("events:"):
        return lambda query: path.format(query)

    def events(query: str) -> str:
        from django.http import QueryDict

        from billing.days import utc_today
        from billing.reports.events import events_url
        from billing.reports.query import parse_query

        parsed = parse_query(QueryDict(f"{query}&{path.removeprefix('events:')}"), today=utc_today())
        return events_url(parsed.days, parsed.filters)

    return events


def measure(rounds: int, *, plans: bool) -> dict[str, tuple[float, float]]:
    """Return name -> (p50, p95) in milliseconds, over random ranges of 30 days within the year."""

    from django.test import Client
    from django.utils import timezone

    from accounts.models import User

    client = Client(SERVER_NAME="localhost")
    person = User.objects.get(email="user-42@example.org")
    person.is_staff = person.is_superuser = True
    person.save()
    client.force_login(person)
    today, random_days, found = timezone.now().date(), random.Random(7), {}
    for name, address in views().items():
        times = []
        for number in range(rounds + 2):
            last = today - dt.timedelta(days=random_days.randrange(0, DAYS - 30))
            url = address(f"from={last - dt.timedelta(days=29)}&to={last}&range=custom")
            started = time.perf_counter()
            response = client.get(url)
            if response.streaming:
                asyncio.run(first_piece(response))
            if number >= 2:  # the first ones fill caches
                times.append((time.perf_counter() - started) * 1000)
            assert response.status_code == 200, (url, response.status_code)
        cuts = quantiles(times, n=20, method="inclusive")
        found[name] = (cuts[9], cuts[18])
        print(f"  {name:34} p50 {cuts[9]:7.1f} ms   p95 {cuts[18]:7.1f} ms", flush=True)
    if plans:
        show_plans(client, max(found, key=lambda name: found[name][1]))
    return found


async def first_piece(response: Any) -> None:
    pieces = response.streaming_content
    await anext(aiter(pieces))


def show_plans(client: Any, name: str) -> None:
    from django.db import connection
    from django.test.utils import CaptureQueriesContext
    from django.utils import timezone

    last = timezone.now().date() - dt.timedelta(days=60)
    address = views()[name](f"from={last - dt.timedelta(days=29)}&to={last}&range=custom")
    with CaptureQueriesContext(connection) as asked:
        client.get(address)
    slow = sorted(asked.captured_queries, key=lambda query: -float(query["time"]))[:3]
    with connection.cursor() as cursor:
        for query in slow:
            print(f"\n{name}: {float(query['time']) * 1000:.0f} ms\n{query['sql'][:600]}")
            cursor.execute(f"EXPLAIN (ANALYZE, BUFFERS) {query['sql'].replace('%', '%%')}", [])
            print("\n".join(row[0] for row in cursor.fetchall()))


def report(measured: dict[int, dict[str, tuple[float, float]]]) -> None:
    """Print a table, with the ratio of the biggest ledger's times to the smallest's."""
    sizes = list(measured)
    print(
        "\n| view over 30 days, ms | "
        + " | ".join(f"{size:,}: p50 | p95" for size in sizes)
        + " | ratio of p50 |"
    )
    print("|---|" + "---:|---:|" * len(sizes) + "---:|")
    for name in measured[sizes[0]]:
        cells = " | ".join(f"{a:.0f} | {b:.0f}" for a, b in (measured[size][name] for size in sizes))
        ratio = measured[sizes[-1]][name][0] / measured[sizes[0]][name][0]
        print(f"| {name} | {cells} | {ratio:.1f} |")


if __name__ == "__main__":
    main()
