"""Many concurrent readers on the production set: each gets its answer word by word, to the end."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.conf import settings
from django.core.management import call_command

from billing.models import UsageEvent
from sessions.models import Turn
from sessions.tests.factories import bearer, make_agent, make_model, make_room
from sessions.tests.load.model_server import model_id
from sessions.tests.load.processes import ModelServer, completions_of, production, run_job, turns_of
from sessions.tests.load.readers import LEAST_DELTAS, Reading
from sessions.tests.support.redis_process import RedisProcess

READERS, TURNS = 24, 120
MODEL = model_id(words=40, pause_ms=100)
"""Four seconds: processes that are short of time send several words as one delta, and still more than a few deltas."""

QUICK = model_id(words=7, pause_ms=1)


@pytest.fixture
def models() -> Iterator[ModelServer]:
    with ModelServer() as server:
        yield server


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("nobody_runs")
@pytest.mark.skipif(
    settings.DATABASES["default"]["ENGINE"].endswith("sqlite3"), reason="workers need PostgreSQL"
)
def test_every_answer_is_read_live_to_its_end(alice, models, tmp_path) -> None:
    room = make_room(alice, make_agent(alice, MODEL, make_model(models, MODEL)))
    authorization = bearer(alice)
    with (
        RedisProcess(tmp_path) as redis_server,
        production(tmp_path, authorization, redis_url=redis_server.url) as server,
    ):
        place = {"authorization": authorization, "room": str(room.pk), "model": MODEL}
        report = run_job(turns_of(server, **place, streams=READERS, turns=TURNS))
    assert report.errors == {}
    not_live = [turn for turn in report.turns if not turn.live]
    assert len(not_live) * 100 <= TURNS, not_live
    assert Turn.objects.filter(status="completed").count() == TURNS
    assert UsageEvent.objects.count() == models.stats()["requests"] == TURNS
    call_command("audit_ledger")


def test_readers_note_what_is_streamed_and_what_is_refused(models) -> None:
    report = run_job(completions_of(models.base_url, "any", QUICK, streams=3, turns=6))
    assert [(turn.deltas, turn.live) for turn in report.turns] == [(7, True)] * 6
    assert models.stats() == {"requests": 6, "open": 0, "most_open": 3}
    report = run_job(completions_of(models.base_url, "any", "unknown", streams=3, turns=6))
    assert (report.turns, report.failed) == ([], 6)
    assert "Refused(404" in next(iter(report.errors))


DELTA = b'data: {"type":"step.delta","kind":"text","text":"word"}'
SNAPSHOT = b'data: {"type":"turn.snapshot","turn":{"status":"completed"}}'
COMPLETED = b'data: {"type":"turn.completed","status":"completed"}'
FAILED = b'data: {"type":"turn.failed","status":"failed"}'
WHOLE = [DELTA] * LEAST_DELTAS


@pytest.mark.parametrize(
    ("lines", "live"),
    [
        ([*WHOLE, COMPLETED], True),
        ([*WHOLE[1:], COMPLETED], False),
        (WHOLE, False),
        ([*WHOLE, FAILED], False),
        ([*WHOLE, SNAPSHOT], False),
        ([SNAPSHOT, *WHOLE, COMPLETED], False),
    ],
)
def test_an_answer_in_pieces_is_live_without_a_snapshot(lines, live) -> None:
    reading = Reading(of_gateway=False)
    for line in lines:
        reading.take(line)
    assert reading.turn.live == live
