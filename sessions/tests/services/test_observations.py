"""What a user's calls show about a model: servers that cut or refuse their input."""

from __future__ import annotations

import pytest
from django.db import connection, transaction

from orchestration.engine.specs import Usage
from orchestration.tests.providers import Answer
from sessions.models import Call
from sessions.selectors.calibration import OBSERVATIONS_SQL, SAMPLE, observations
from sessions.tests.factories import make_agent, make_model, make_room, make_session
from sessions.tests.support.budgeting import ask

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_call_whose_input_the_server_cut_does_not_calibrate(
    api, alice, openai_model, openai_server
) -> None:
    openai_server.default = Answer(usage=Usage(input=400, output=5))
    session = make_session(alice, make_room(alice, make_agent(alice, "ana", openai_model)))
    api.post(f"sessions/{session.pk}/turns", {"message": "@ana " + "word " * 3_000})

    assert Call.objects.get().context["input_cut"] == 1
    assert observations(alice.pk)[openai_model.pk].calibration == 1.0


def test_a_small_cut_does_not_calibrate_downwards(api, alice, openai_model, openai_server) -> None:
    openai_server.count_input = lambda text: len(text) // 4
    openai_server.cuts_input_at = 4_000
    agent = make_agent(alice, "ana", openai_model)
    for words in (2_000, 3_300, 4_500, 4_700, 4_900):
        ask(api, make_session(alice, agent), "word " * words)

    assert observations(alice.pk)[openai_model.pk].calibration > 0.9


def test_a_small_cut_is_noticed_once_the_server_has_read_as_much_before(
    api, alice, openai_model, openai_server
) -> None:
    openai_server.count_input = lambda text: len(text) // 4
    openai_server.cuts_input_at = 4_000
    agent = make_agent(alice, "ana", openai_model)
    for words in (3_400, 3_900, 3_600):
        ask(api, make_session(alice, agent), "word " * words)
    ask(api, make_session(alice, agent), "word " * 1_000)

    assert [call.context.get("input_cut") for call in Call.objects.order_by("started_at")] == [
        *(None, None, 1, None)
    ]


def test_what_is_known_of_a_model_outlasts_calls_of_others(api, alice, openai_server) -> None:
    dense, other = make_model(openai_server, "dense"), make_model(openai_server, "other")
    openai_server.count_input = len
    ask(api, make_session(alice, make_agent(alice, "ana", dense)), "7" * 1_000)
    openai_server.count_input = lambda text: len(text) // 4
    agent = make_agent(alice, "bob", other)
    for _ in range(SAMPLE + 1):
        ask(api, make_session(alice, agent), "word " * 100)

    seen = observations(alice.pk)
    assert seen[dense.pk].calibration > 2
    assert seen[other.pk].calibration < 1.5


def test_only_the_newest_calls_of_a_model_count(api, alice, openai_model, openai_server) -> None:
    openai_server.count_input = len
    agent = make_agent(alice, "ana", openai_model)
    ask(api, make_session(alice, agent), "7" * 1_000)
    openai_server.count_input = lambda text: len(text) // 4
    for _ in range(SAMPLE):
        ask(api, make_session(alice, agent), "word " * 100)

    assert observations(alice.pk)[openai_model.pk].calibration < 1.5


def test_the_statement_reads_calls_by_an_index(alice) -> None:
    explain = "EXPLAIN" if connection.vendor == "postgresql" else "EXPLAIN QUERY PLAN"
    with transaction.atomic(), connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("SET LOCAL enable_seqscan = off")
        cursor.execute(f"{explain} {OBSERVATIONS_SQL}", [str(alice.pk)])
        plan = [str(row[-1]) for row in cursor.fetchall()]
    assert any("event_of_user" in line for line in plan), plan
    assert not [line for line in plan if "Seq Scan" in line or "SCAN billing" in line]
