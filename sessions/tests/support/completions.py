"""Chat completions: requests and parsed responses."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.test import Client

from accounts.tests.support.bodies import body_of
from sessions.tests.factories import bearer, make_agent, make_room

PATH = "/v1/chat/completions"


@pytest.fixture
def agents(alice, openai_model):
    return [make_agent(alice, key, openai_model) for key in ("ana", "bob")]


@pytest.fixture
def room(alice, agents):
    return make_room(alice, *agents)


@pytest.fixture
def client(alice) -> Client:
    return Client(headers={"Authorization": bearer(alice)})


def ask(
    client: Client, model: object, text: str | list[Any] = "Hello?", headers: Any = None, **fields: Any
) -> Any:
    messages = [{"role": "user", "content": text}] if isinstance(text, str) else text
    body = {"model": str(model), "messages": messages, **fields}
    return client.post(PATH, body, content_type="application/json", headers=headers)


def content(response: Any) -> str:
    assert response.status_code == 200, response.content
    return str(response.json()["choices"][0]["message"]["content"])


def chunks(response: Any) -> list[dict[str, Any]]:
    """Return the chunks of a stream that ends well."""
    lines = [line for line in body_of(response).decode().split("\n\n") if line.startswith("data: ")]
    assert lines[-1] == "data: [DONE]"
    return [json.loads(line.removeprefix("data: ")) for line in lines[:-1]]


def refused(response: Any, status: int, code: str, param: str | None = None) -> dict[str, Any]:
    assert response.status_code == status, response.content
    error: dict[str, Any] = response.json()["error"]
    assert error.keys() == {"message", "type", "param", "code"}
    assert (error["code"], error["param"]) == (code, param)
    assert error["message"]
    return error
