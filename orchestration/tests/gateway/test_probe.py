"""Tests of a provider by its list of models: whether it answers, accepts the key, and has our models."""

from __future__ import annotations

import socket

import pytest

from orchestration.gateway.probe import is_listed, probe
from orchestration.tests.gateway import KEY, KEY_ENV, spec
from orchestration.tests.providers import Answer, Gate, ProviderServer


@pytest.fixture(params=["openai", "anthropic"])
def kind(request: pytest.FixtureRequest) -> str:
    chosen: str = request.param
    return chosen


@pytest.fixture
def server(kind: str, request: pytest.FixtureRequest) -> ProviderServer:
    server: ProviderServer = request.getfixturevalue(f"{kind}_server")
    server.key, server.models = KEY, ["test-model-1"]
    return server


async def test_a_good_key_works(kind: str, server: ProviderServer) -> None:
    found = await probe(spec(kind, server.base_url), ["test-model-1"])
    assert found.works
    assert found.unlisted == ()
    assert "isn't verified" not in found.message
    assert all("/models" in served.path and served.usage.output == 0 for served in server.served)


async def test_a_wrong_key_is_reported_by_the_name_of_its_variable(
    kind: str, server: ProviderServer, caplog: pytest.LogCaptureFixture
) -> None:
    server.key = "sk-another-0123456789"
    found = await probe(spec(kind, server.base_url))
    assert not found.works
    assert f"rejected the API key: check the key in {KEY_ENV}" in found.message
    assert KEY not in found.message + caplog.text


async def test_a_server_that_shows_its_list_to_everybody_proves_no_key(
    kind: str, server: ProviderServer
) -> None:
    server.key = None
    found = await probe(spec(kind, server.base_url))
    assert found.works
    assert "the key itself isn't verified" in found.message
    keyless = await probe(spec(kind, server.base_url, key_env=""))
    assert keyless.works
    assert "isn't verified" not in keyless.message


async def test_a_model_that_is_not_in_the_list_is_named(kind: str, server: ProviderServer) -> None:
    found = await probe(spec(kind, server.base_url), ["test-model-1", "test-model-9", "test-model-9"])
    assert found.works
    assert found.unlisted == ("test-model-9",)


async def test_an_unset_key(kind: str, server: ProviderServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(KEY_ENV)
    found = await probe(spec(kind, server.base_url))
    assert found.message == f"The provider test has no key: set {KEY_ENV}."
    assert not server.served


async def test_nobody_listens(kind: str) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{taken.getsockname()[1]}"
        found = await probe(spec(kind, address))
    assert not found.works
    assert found.message.startswith("The provider test cannot be reached: ")


async def test_a_silent_server_is_waited_for_no_longer_than_the_limit(
    kind: str, server: ProviderServer
) -> None:
    server.models_answer = Answer(head_gate=Gate())
    found = await probe(spec(kind, server.base_url), limit_s=0.5)
    assert not found.works
    assert "did not answer within 0.5 s" in found.message


@pytest.mark.parametrize("body", [b"[]", b'{"data": 1}', b'{"models": []}'])
async def test_an_answer_that_is_no_list(kind: str, server: ProviderServer, body: bytes) -> None:
    server.models_answer = Answer(body=body)
    found = await probe(spec(kind, server.base_url))
    assert not found.works
    assert "answered without a list of models: check its base URL" in found.message


async def test_a_web_page(kind: str, server: ProviderServer) -> None:
    server.models_answer = Answer(body=b"<!doctype html>Welcome")
    found = await probe(spec(kind, server.base_url))
    assert found.message == (
        "The provider test has no model server at its address: check the provider's base URL."
    )


async def test_a_wrong_address(kind: str, server: ProviderServer) -> None:
    found = await probe(spec(kind, f"{server.origin}/elsewhere"))
    assert found.message == "The provider test has no list of models at its address: check its base URL."


async def test_a_server_out_of_order(kind: str, server: ProviderServer) -> None:
    server.models_answer = Answer(status=503)
    found = await probe(spec(kind, server.base_url))
    assert not found.works
    assert "is unavailable" in found.message


@pytest.mark.parametrize(
    ("name", "listed", "is_so"),
    [
        ("gpt-5", {"gpt-5"}, True),
        ("gemini-pro", {"models/gemini-pro"}, True),
        ("claude-sonnet", {"claude-sonnet-20250929"}, True),
        ("llama", {"llama:latest"}, True),
        ("gpt-5", {"gpt-4"}, False),
        ("gpt-5", set(), False),
    ],
)
def test_how_a_model_is_found_in_a_list(name: str, listed: set[str], is_so: bool) -> None:
    assert is_listed(name, listed) is is_so
