"""Metrics match the ledger and require access; log lines carry ids and no secrets."""

from __future__ import annotations

import io
import json
import logging
import logging.config
from collections.abc import Iterator
from typing import Any

import pytest
from django.test import Client
from prometheus_client.parser import text_string_to_metric_families

from accounts.tests.support.clients import make_user
from billing.fields import pico_to_usd
from billing.models import UsageEvent
from orchestration.tests.providers import Answer
from pantheon.config.logs import logging_config
from sessions.dispatch import use_dispatcher
from sessions.live.runtime import runtime
from sessions.models import Turn
from sessions.tests.factories import bearer, make_agent, make_session

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _turns_run() -> Iterator[None]:
    use_dispatcher(runtime)
    yield
    use_dispatcher(None)
    runtime.stop()


Samples = dict[tuple[str, tuple[tuple[str, str], ...]], float]


def samples(client: Client) -> Samples:
    response = client.get("/metrics")
    assert response.status_code == 200
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(response.content.decode())
        for sample in family.samples
    }


def grown(before: Samples, after: Samples, name: str) -> dict[tuple[str, ...], float]:
    """Return label values -> increase of a counter."""
    return {
        tuple(value for _, value in labels): value - before.get((sample, labels), 0.0)
        for (sample, labels), value in after.items()
        if sample == name and value != before.get((sample, labels), 0.0)
    }


@pytest.fixture
def staff() -> Client:
    client = Client()
    client.force_login(make_user("root", is_staff=True, is_superuser=True))
    return client


def test_a_turn_and_its_calls_are_counted(staff, api, alice, openai_model, openai_server) -> None:
    session = make_session(alice, make_agent(alice, "ana", openai_model))
    before = samples(staff)
    openai_server.queue(Answer(status=500), Answer("Yes."))
    assert api.post(f"sessions/{session.pk}/turns", {"message": "hello"}).status_code == 201
    after = samples(staff)
    assert grown(before, after, "pantheon_turns_total") == {("direct", "completed"): 1}
    assert grown(before, after, "pantheon_calls_total") == {
        ("gpt-test", "openai-test", "reply", "failed"): 1,
        ("gpt-test", "openai-test", "reply", "ok"): 1,
    }
    event = UsageEvent.objects.get(status="ok")
    tokens = grown(before, after, "pantheon_tokens_total")
    assert tokens["output", "gpt-test", "openai-test"] == event.output_tokens
    (cost,) = grown(before, after, "pantheon_cost_usd_total").values()
    assert cost == pytest.approx(float(pico_to_usd(event.cost_pico or 0)))
    assert grown(before, after, "pantheon_first_token_seconds_count") == {("gpt-test", "openai-test"): 1}
    requests = grown(before, after, "pantheon_http_requests_total")
    assert requests["POST", "201", "api-turns"] == 1
    assert grown(before, after, "pantheon_http_request_seconds_count")["api-turns",] == 1


def test_turns_in_work_are_counted(staff, api, alice, openai_model, nobody_runs) -> None:
    session = make_session(alice, make_agent(alice, "ana", openai_model))
    api.post(f"sessions/{session.pk}/turns", {"message": "hello", "background": True})
    now = samples(staff)
    assert now["pantheon_turns_active", (("status", "queued"),)] == Turn.objects.count() == 1
    assert now["pantheon_turns_active", (("status", "running"),)] == 0


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 401),
        ({"Authorization": "Bearer wrong"}, 401),
        ({"Authorization": "Bearer scrape-me"}, 200),
    ],
)
def test_the_metrics_token(settings, headers, status) -> None:
    settings.PANTHEON_METRICS_TOKEN = "scrape-me"
    assert Client(headers=headers).get("/metrics").status_code == status


def test_no_token_is_set_and_none_is_given() -> None:
    assert Client(headers={"Authorization": "Bearer "}).get("/metrics").status_code == 401


def test_only_administrators_are_let_in(alice) -> None:
    root = make_user("root", is_staff=True, is_superuser=True)
    for authorization, status in [
        (bearer(alice), 403),
        (bearer(make_user("clerk", is_staff=True)), 403),
        (bearer(root, "read"), 403),
        (bearer(root, "admin"), 200),
    ]:
        assert Client(headers={"Authorization": authorization}).get("/metrics").status_code == status


@pytest.fixture
def lines() -> Iterator[Any]:
    """Log as JSON; calling it returns the lines so far."""
    stream = io.StringIO()
    config = logging_config(log_format="json", level="INFO")
    config["handlers"]["console"]["stream"] = stream
    root = logging.getLogger()
    kept, level = root.handlers[:], root.level
    logging.config.dictConfig(config)
    yield lambda: [json.loads(line) for line in stream.getvalue().splitlines()]
    root.handlers[:] = kept
    root.setLevel(level)


def test_a_line_per_request_says_who_and_what(lines, api, alice) -> None:
    response = api.get("rooms", headers={"X-Request-ID": "abc-1"})
    assert response.status_code == 200
    (line,) = [line for line in lines() if line["logger"] == "pantheon.requests"]
    assert {name: line[name] for name in ("request_id", "user_id", "method", "view", "status", "level")} == {
        "request_id": "abc-1",
        "user_id": str(alice.pk),
        "method": "GET",
        "view": "api-rooms",
        "status": 200,
        "level": "info",
    }
    assert line["ms"] >= 0
    assert line["timestamp"].endswith("Z")


def test_lines_of_a_turn_have_its_ids_and_no_text(lines, api, alice, openai_model, openai_server) -> None:
    session = make_session(alice, make_agent(alice, "ana", openai_model))
    openai_server.default = Answer(status=400, error_message="sk-secret-key was refused")
    api.post(f"sessions/{session.pk}/turns", {"message": "the secret plan"})
    turn = Turn.objects.get()
    about = [line for line in lines() if line.get("turn_id")]
    assert about
    assert {line["turn_id"] for line in about} == {str(turn.pk)}
    assert {line["user_id"] for line in about} == {str(alice.pk)}
    assert str(turn.calls.get().pk) in {line.get("call_id") for line in about}
    told = json.dumps(lines())
    assert "secret plan" not in told
    assert "sk-secret" not in told


def test_an_exception_is_one_line(lines) -> None:
    try:
        raise ValueError("no good")
    except ValueError:
        logging.getLogger("test").exception("It broke.")
    (line,) = lines()
    assert (line["event"], line["level"]) == ("It broke.", "error")
    assert "ValueError: no good" in line["exception"]


def test_unknown_views_are_one_label(staff) -> None:
    before = samples(staff)
    for path in ("/api/v1/nowhere/1", "/api/v1/nowhere/2"):
        staff.get(path)
    assert grown(before, samples(staff), "pantheon_http_requests_total")["GET", "404", "none"] == 2
