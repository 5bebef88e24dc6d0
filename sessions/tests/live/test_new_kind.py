"""A new kind of provider is a row and a class: this adds one, and calls its model through the API."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any

import httpx2
import pytest
from django.test import Client
from django.urls import reverse

from accounts.tests.support.admin_site import static_files_as_they_are, superuser
from billing.models import UsageEvent
from orchestration.engine.ports import ModelEvent, TextDelta
from orchestration.engine.specs import ModelRequest, Usage, UsageReport
from orchestration.gateway.errors import ErrorEvent
from orchestration.gateway.keys import Endpoint
from orchestration.gateway.kinds import KINDS, Kind
from orchestration.gateway.listings import ListedModel
from orchestration.models import LlmModel, Provider
from sessions.tests.factories import make_agent, make_model, make_session
from sessions.tests.support.ledger import assert_nothing_to_audit

__all__ = ["static_files_as_they_are"]

pytestmark = pytest.mark.django_db(transaction=True)

ADDRESS = "https://telegraph.example"


class Telegraph:
    """A wire format of its own: one event a word, and one with the counts. Its server answers in upper case."""

    request_id_header = "telegram"

    def __init__(self, endpoint: Endpoint, timeout: httpx2.Timeout) -> None:
        assert (endpoint.base_url, endpoint.key) == (ADDRESS, "telegraph-key")

    @asynccontextmanager
    async def open(self, request: ModelRequest) -> AsyncIterator[Any]:
        words = request.question.split()
        if "fire" in words:
            events = '{"error": {"type": "unpaid"}}'
        else:
            events = "\n\ndata: ".join(
                [f'{{"word": "{word.upper()} "}}' for word in words] + ['{"heard": 5, "said": 2}']
            )
        headers = {"content-type": "text/event-stream", "telegram": "no. 1"}
        yield SimpleNamespace(http_response=httpx2.Response(200, headers=headers, text=f"data: {events}\n\n"))

    def fields(self, request: ModelRequest) -> tuple[str, ...]:
        return ()

    def reader(self) -> TelegraphReader:
        return TelegraphReader()

    async def list_models(self) -> dict[str, ListedModel]:
        return {"morse": ListedModel()}

    @staticmethod
    def total_input(raw: Mapping[str, Any]) -> int | None:
        return raw.get("heard")

    async def aclose(self) -> None:
        pass


class TelegraphReader:
    model_served = "morse-1844"
    response_id = ""
    speaking = True
    finish_reason = ""
    ended = False
    report: UsageReport | None = None

    def feed(self, payload: dict[str, Any]) -> list[ModelEvent]:
        if "error" in payload:
            raise ErrorEvent(payload, {"unpaid": 402})
        if "word" in payload:
            return [TextDelta(payload["word"])]
        usage = Usage(input=payload["heard"], output=payload["said"])
        self.report, self.finish_reason = UsageReport(usage, "provider", payload), "stop"
        return []

    def events_of(self, answer: dict[str, Any]) -> list[dict[str, Any]]:
        return []

    def rest(self) -> list[ModelEvent]:
        return []

    def final_report(self) -> UsageReport | None:
        return self.report


@pytest.fixture(autouse=True)
def _row(monkeypatch: pytest.MonkeyPatch) -> None:
    row = Kind("telegraph", "Telegraph", wire=f"{__name__}:Telegraph", base_url=ADDRESS)
    monkeypatch.setitem(KINDS, row.key, row)
    monkeypatch.setenv("TELEGRAPH_API_KEY", "telegraph-key")


@pytest.fixture
def root() -> Client:
    return superuser()


@pytest.fixture
def model(root) -> LlmModel:
    """A model of that kind, whose provider was added in the administration."""
    page = reverse("admin:orchestration_provider_add")
    assert '<option value="telegraph">Telegraph</option>' in root.get(page).content.decode()
    form = {"name": "western", "kind": "telegraph", "key_env": "TELEGRAPH_API_KEY", "enabled": "on"}
    assert root.post(page, form).status_code == 302
    model = make_model(alias="morse")
    LlmModel.objects.filter(pk=model.pk).update(provider=Provider.objects.get(name="western"))
    return LlmModel.objects.get(pk=model.pk)


def test_its_model_answers_and_is_billed(api, alice, model) -> None:
    session = make_session(alice, make_agent(alice, "ana", model))
    turn = api.post(f"sessions/{session.pk}/turns", {"message": "what hath"}).json()
    assert (turn["status"], turn["messages"][0]["text"].strip()) == ("completed", "WHAT HATH")
    event = UsageEvent.objects.get()
    assert (event.usage, event.source) == (Usage(input=5, output=2), "provider")
    assert (event.provider, event.model_served, event.provider_request_id) == (
        "western",
        "morse-1844",
        "no. 1",
    )
    assert event.cost_pico == 5 * 2_000_000 + 2 * 10_000_000
    assert_nothing_to_audit()


def test_its_errors_mean_what_its_table_says(api, alice, model) -> None:
    session = make_session(alice, make_agent(alice, "ana", model))
    response = api.post(f"sessions/{session.pk}/turns", {"message": "fire"})
    assert "reports that the account has no credit" in response.json()["error"]["message"]


def test_it_is_tested_like_the_others(root, model) -> None:
    page = root.post(reverse("provider-test", args=[model.provider_id])).content.decode()
    assert "Connected: the list of models arrived after" in page
    assert "does not list" not in page
