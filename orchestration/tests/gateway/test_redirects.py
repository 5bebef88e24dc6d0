"""Providers that redirect: neither the key nor the conversation is sent to the new address."""

from __future__ import annotations

import pytest

from orchestration.gateway.gateway import Gateway
from orchestration.gateway.probe import probe
from orchestration.tests.gateway import KEY, ask, failed, request, spec
from orchestration.tests.providers import Answer, AnthropicServer, OpenAIServer

SERVERS = {"openai": OpenAIServer, "anthropic": AnthropicServer}
TEXT = "My diagnosis is private."

pytestmark = [
    pytest.mark.parametrize("kind", SERVERS),
    pytest.mark.parametrize("status", [301, 302, 303, 307, 308]),
]


async def test_a_call_follows_no_redirect(kind: str, status: int, gateway: Gateway) -> None:
    with SERVERS[kind]() as provider, SERVERS[kind]() as elsewhere:
        location = elsewhere.base_url + elsewhere.path
        provider.queue(Answer(status=status, headers={"location": location}))
        end = failed(await ask(gateway, request(spec(kind, provider.base_url), TEXT)))
        assert (end.code, end.retryable) == ("provider_error", False)
        assert f"sent us elsewhere (HTTP {status}): check the provider's base URL" in end.message
        assert len(provider.served) == 1
        assert elsewhere.served == []


async def test_a_test_follows_no_redirect(kind: str, status: int) -> None:
    with SERVERS[kind]() as provider, SERVERS[kind]() as elsewhere:
        elsewhere.models = ["test-model-1"]
        location = elsewhere.base_url + elsewhere.models_path
        provider.models_answer = Answer(status=status, headers={"location": location})
        found = await probe(spec(kind, provider.base_url), ["test-model-1"])
        assert not found.works
        assert "sent us elsewhere" in found.message
        assert KEY not in found.message
        assert elsewhere.served == []
