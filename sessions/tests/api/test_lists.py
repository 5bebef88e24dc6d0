"""Paging through lists: rows added meanwhile neither repeat an entry nor hide one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from accounts.tests.support.clients import refused
from billing.tests.support.budgets import make_budget
from orchestration.tests.providers import OpenAIServer
from sessions.models import Turn
from sessions.tests.conftest import Api
from sessions.tests.factories import make_agent, make_model, make_room, make_session

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def agent(alice, openai_model):
    return make_agent(alice, "ana", openai_model)


def pages(api: Api, path: str, add: Callable[[], Any]) -> list[Any]:
    """Return the ids of all entries, two a page, with another one added before each further page."""
    seen = []
    address = f"/api/v1/{path}?limit=2"
    while address:
        page = api.client.get(address).json()
        seen += [entry["id"] for entry in page["results"]]
        address = page["next"]
        add()
    return seen


@pytest.mark.parametrize("path", ["agents", "rooms", "sessions"])
def test_what_one_makes(api: Api, alice, agent, path) -> None:
    numbers = iter(range(100))
    make: dict[str, Callable[[], Any]] = {
        "agents": lambda: make_agent(alice, f"more-{next(numbers)}"),
        "rooms": lambda: make_room(alice, agent),
        "sessions": lambda: make_session(alice, agent),
    }
    there = [str(make[path]().pk) for _ in range(5)]
    if path == "agents":
        there.insert(0, str(agent.pk))
    address = f"agents/{agent.pk}/sessions" if path == "sessions" else path
    assert pages(api, address, make[path]) == there[::-1]


def test_what_one_says(api: Api, alice, agent, openai_server: OpenAIServer) -> None:
    session = make_session(alice, agent)
    path = f"sessions/{session.pk}/turns"

    def say() -> str:
        turn: str = api.post(path, {"message": "Hello?"}).json()["id"]
        return turn

    there = [say() for _ in range(5)]
    assert pages(api, path, say) == there[::-1]
    calls = [
        str(call)
        for turn in Turn.objects.order_by("index")
        for call in turn.calls.values_list("pk", flat=True)
    ]
    assert pages(api, "usage", say) == calls[::-1]
    said = [str(pk) for pk in session.messages.order_by("-seq").values_list("pk", flat=True)]
    assert pages(api, f"sessions/{session.pk}/messages", say) == said


@pytest.mark.parametrize("path", ["models", "budgets"])
def test_what_is_read_whole_has_pages_too(api: Api, alice, openai_server: OpenAIServer, path) -> None:
    for number in range(5):
        if path == "models":
            make_model(openai_server, f"model-{number}")
        else:
            make_budget("user", alice, usd=number + 1)
    there = api.get(path).json()
    assert (len(there["results"]) >= 5, there["next"], there["previous"]) == (True, None, None)
    seen, addresses = [], [f"http://testserver/api/v1/{path}?limit=2"]
    while addresses[-1]:
        page = api.client.get(addresses[-1]).json()
        seen += page["results"]
        addresses.append(page["next"])
    assert seen == there["results"]
    last = api.client.get(addresses[-2]).json()
    for address in addresses[-3:0:-1]:
        assert last["previous"] == address
        last = api.client.get(address).json()
    for wrong in ("limit=0", "limit=x", "cursor=x", "cursor=cm93IC0x", "cursor=é"):
        refused(api.get(f"{path}?{wrong}"), 400, "invalid_parameter")
    assert api.get(f"{path}?cursor=").json() == there
