"""Fill PostgreSQL with a year of usage events and their rollup, for bench/dashboard.py."""

from __future__ import annotations

import datetime as dt
import hashlib
import random
import sys
import time
import uuid

PEOPLE, TEAMS, MODELS, DAYS = 500, 20, 40, 365
DEFAULT_MODEL = 7
ROOMS_EACH, AGENTS_EACH = 3, 4

# A turn is a question to a council: one of a person's three rooms, each with its own four agents. Two of three calls
# are replies; the others route, evaluate, synthesize and summarize. People are active on five days of seven.
# Usage is skewed: one team has half of the people, and one model, the default, answers two of three calls.
FILL_EVENTS = """
INSERT INTO billing_usageevent (
  id, user_id, team_id, team_name, room_id, room_name, session_id, turn_id, agent_id, agent_key, mode, purpose, round,
  attempt, provider, model_id, model_asked, model_served, provider_request_id, input_tokens, cache_read_tokens,
  cache_write_5m_tokens, cache_write_1h_tokens, output_tokens, reasoning_tokens, source, flags, price_id, cost_pico,
  status, latency_ms, first_token_ms, created_at)
SELECT md5('event' || n)::uuid, md5('user' || person)::uuid, md5('team' || team)::uuid,
  'Team ' || team, md5('room' || person || '-' || room)::uuid, 'Room ' || room || ' of ' || person,
  md5('session' || n / 50)::uuid, md5('turn' || n / 6)::uuid,
  CASE WHEN reply THEN md5('agent' || person || '-' || room || '-' || agent)::uuid ELSE {zero} END,
  CASE WHEN reply THEN 'agent-' || agent ELSE '' END,
  CASE room WHEN 0 THEN 'manual' WHEN 1 THEN 'orchestrator' ELSE 'roundtable' END,
  CASE WHEN reply THEN 'reply' ELSE (ARRAY['route', 'evaluate', 'synthesize', 'summarize'])[1 + n %% 4] END,
  1, 1, 'bench', m.id, m.alias, m.alias, 'req-' || n, 400 + n %% 900, n %% 700, 0, 0, 100 + n %% 300, 0,
  CASE WHEN n %% 50 = 0 THEN 'estimated' ELSE 'provider' END, '[]', p.id,
  CASE WHEN p.id IS NOT NULL THEN
    (400 + n %% 900) * p.input_pico + (n %% 700) * p.cache_read_pico + (100 + n %% 300) * p.output_pico END,
  'ok', 1200, 300, begin_at + (day * interval '1 day') + (n %% 36000) * interval '1 second' + interval '7 hours'
FROM (
  SELECT n, day, person, room, agent, n %% 3 < 2 AS reply,
    CASE WHEN person %% 2 = 0 THEN 0 ELSE person %% {teams} END AS team,
    CASE WHEN n %% 3 < 2 AND (person + room + agent) %% 2 = 0
      THEN (person * 7 + room * 5 + agent) %% {models} ELSE {default} END AS model
  FROM (
    SELECT n, day, person, (hashint8(n / 6 / 3) & 1023) %% {rooms} AS room, (n * 7 / 3) %% {agents} AS agent
    FROM (
      SELECT n, day, (spread + CASE WHEN (spread + day) %% 7 < 5 THEN 0 ELSE 3 END) %% {people} AS person
      FROM (
        SELECT n, (n * {days} / {events})::int AS day, ((hashint8(n / 6) & 2147483647) %% {people})::int AS spread
        FROM generate_series(%s::bigint, %s::bigint - 1) AS n
      ) AS spread_out
    ) AS of_person
  ) AS of_room
) AS of_model
JOIN bench_models AS m ON m.number = model
LEFT JOIN billing_modelprice AS p ON p.model_id = m.id
CROSS JOIN (SELECT %s::timestamptz AS begin_at) AS year
"""

FILL_ROLLUP = """
INSERT INTO billing_dailyusage (day, team_id, user_id, room_id, agent_id, model_id, purpose, mode, calls, {tokens},
  cost_pico, estimated_cost_pico, unpriced_calls)
SELECT (created_at AT TIME ZONE 'UTC')::date AS day, team_id, user_id, room_id, agent_id, model_id, purpose, mode,
  COUNT(*), {sums}, COALESCE(SUM(cost_pico), 0), COALESCE(SUM(cost_pico) FILTER (WHERE source = 'estimated'), 0),
  COUNT(*) FILTER (WHERE cost_pico IS NULL)
FROM billing_usageevent
GROUP BY 1, 2, 3, 4, 5, 6, 7, 8 ORDER BY 1
"""

EVENTS_SUM = """
SELECT COUNT(*), SUM(cost_pico), SUM(cost_pico) FILTER (WHERE source = 'estimated'), SUM({all_tokens}),
  COUNT(*) FILTER (WHERE cost_pico IS NULL), COALESCE(SUM(cost_pico) FILTER (WHERE purpose <> 'reply'), 0)
FROM billing_usageevent WHERE {where}
"""
DAILY_SUM = """
SELECT COUNT(*), SUM(calls), SUM(cost_pico), SUM(estimated_cost_pico), SUM({all_tokens}), SUM(unpriced_calls),
  COALESCE(SUM(cost_pico) FILTER (WHERE purpose <> 'reply'), 0)
FROM billing_dailyusage
"""
KINDS = {
    "all": "TRUE",
    "no agent": "agent_id = '00000000-0000-0000-0000-000000000000'",
    "no room": "room_id = '00000000-0000-0000-0000-000000000000'",
}
"""Filter for the events that a cut sums."""
CUT_SUMS = """
SELECT cut, COUNT(*), SUM(calls), SUM(cost_pico), SUM(estimated_cost_pico), SUM({all_tokens}), SUM(unpriced_calls),
  SUM(orchestration_cost_pico)
FROM billing_usagetotal GROUP BY cut
"""


def prepare() -> None:
    """Create the people, teams, models and prices; one model in twenty has no price."""
    from django.db import connection

    from accounts.models import Team, User
    from orchestration.models import LlmModel, Provider

    provider = Provider.objects.create(name="bench", kind="openai")
    models = [
        LlmModel(
            alias=f"bench-{n}",
            provider=provider,
            model_id=f"bench-{n}",
            context_window=32768,
            max_output_tokens=2048,
        )
        for n in range(MODELS)
    ]
    LlmModel.objects.bulk_create(models)
    from billing.models import ModelPrice

    rates = {"cache_write_5m_pico": 0, "cache_write_1h_pico": 0, "source": "bench"}
    ModelPrice.objects.bulk_create(
        ModelPrice(
            model=model,
            input_pico=100_000 * n,
            cache_read_pico=10_000 * n,
            output_pico=500_000 * n,
            **rates,
        )
        for n, model in enumerate(models)
        if n % 20
    )
    Team.objects.bulk_create(Team(pk=md5_uuid(f"team{n}"), name=f"Team {n}") for n in range(TEAMS))
    User.objects.bulk_create(
        User(
            pk=md5_uuid(f"user{n}"),
            email=f"user-{n}@example.org",
            team_id=md5_uuid(f"team{n % TEAMS if n % 2 else 0}"),
        )
        for n in range(PEOPLE)
    )
    with connection.cursor() as cursor:
        cursor.execute("CREATE TABLE bench_models (number int PRIMARY KEY, id uuid, alias text)")
        cursor.executemany(
            "INSERT INTO bench_models VALUES (%s, %s, %s)",
            [(number, model.pk, model.alias) for number, model in enumerate(models)],
        )


def md5_uuid(text: str) -> uuid.UUID:
    return uuid.UUID(hashlib.md5(text.encode(), usedforsecurity=False).hexdigest())


TABLES = ("billing_usageevent", "billing_dailyusage", "billing_usagetotal")


def fill(events: int) -> None:
    """Load events and their rollups; restores the triggers and secondary indexes that it removes to be faster."""
    from django.db import connection
    from django.utils import timezone

    from billing.models.bucket_columns import TOKENS
    from billing.models.rollup_columns import TOTAL_COLUMNS
    from billing.models.rollup_cuts import CUTS
    from billing.services.rollup import totals_of

    started = time.perf_counter()
    begin = timezone.now().replace(hour=0, minute=0, second=0, microsecond=0) - dt.timedelta(days=DAYS - 1)
    numbers = {"teams": TEAMS, "models": MODELS, "rooms": ROOMS_EACH, "agents": AGENTS_EACH, "people": PEOPLE}
    sql = FILL_EVENTS.format(
        **numbers,
        default=DEFAULT_MODEL,
        days=DAYS,
        events=events,
        zero="'00000000-0000-0000-0000-000000000000'::uuid",
    )
    with connection.cursor() as cursor:
        cursor.execute("SET session_replication_role = replica")
        cursor.execute("SET maintenance_work_mem = '512MB'")
        cursor.execute("SET work_mem = '256MB'")
        cursor.execute(f"TRUNCATE {', '.join(TABLES)} CASCADE")
        cursor.execute(
            "SELECT indexname, indexdef FROM pg_indexes WHERE tablename = ANY(%s::text[]) "
            "AND indexname NOT IN (SELECT conname FROM pg_constraint)",
            [list(TABLES)],
        )
        indexes = cursor.fetchall()
        for name, _ in indexes:
            cursor.execute(f'DROP INDEX "{name}"')
        for first in range(0, events, 500_000):
            cursor.execute(sql, [first, min(first + 500_000, events), begin])
        cursor.execute(
            FILL_ROLLUP.format(tokens=", ".join(TOKENS), sums=", ".join(f"SUM({name})" for name in TOKENS))
        )
        for cut in CUTS:
            totals = totals_of("billing_dailyusage", [cut])
            cursor.execute(f"INSERT INTO billing_usagetotal ({TOTAL_COLUMNS}) {totals} ORDER BY 2")
        for _, definition in indexes:
            cursor.execute(definition)
        for table in TABLES:
            cursor.execute(f"VACUUM ANALYZE {table}")
        for setting in ("session_replication_role", "maintenance_work_mem", "work_mem"):
            cursor.execute(f"RESET {setting}")
    took = time.perf_counter() - started
    print(f"\n{events:,} events loaded in {took:.0f} s", flush=True)
    check(begin.date())


def check(first: dt.date) -> None:
    """Exit if a rollup is not the sum of the events: in total, and row by row on some days and their weeks."""
    from django.db import connection

    from billing.models.bucket_columns import TOKENS
    from billing.services.rollup import rollup_wrong_rows

    tokens = {"all_tokens": " + ".join(TOKENS)}
    with connection.cursor() as cursor:
        expected = {}
        for kind, where in KINDS.items():
            cursor.execute(EVENTS_SUM.format(where=where, **tokens))
            expected[kind] = cursor.fetchone()
        events = expected["all"]
        cursor.execute(DAILY_SUM.format(**tokens))
        sums = {"daily": cursor.fetchone()}
        cursor.execute(CUT_SUMS.format(**tokens))
        sums |= {cut: found for cut, *found in cursor.fetchall()}
        cursor.execute(
            "SELECT pg_total_relation_size(name::regclass) FROM unnest(%s::text[]) AS name", [list(TABLES)]
        )
        sizes = ", ".join(f"{size / 2**20:,.0f} MB" for (size,) in cursor.fetchall())
    different = [
        name
        for name, (_, *found) in sums.items()
        if list(found) != list(expected[name[: name.find("+")] if name.startswith("no ") else "all"])
    ]
    chance = random.Random(3)
    days = [first + dt.timedelta(days=chance.randrange(DAYS)) for _ in range(3)]
    wrong = sum(rollup_wrong_rows(day=day) for day in days)
    totals = sum(rows for name, (rows, *_) in sums.items() if name != "daily")
    print(f"rows: {events[0]:,} events, {sums['daily'][0]:,} daily, {totals:,} totals; {sizes}", flush=True)
    print(
        f"all {len(sums)} rollups equal the sum of the events: {not different} (USD {events[1] / 10**12:,.2f})"
    )
    print(f"rows of {', '.join(map(str, days))} and their weeks that are not: {wrong}", flush=True)
    if different or wrong:
        sys.exit(f"rollups are not the sum of the events: {', '.join(different) or 'single rows'}")
