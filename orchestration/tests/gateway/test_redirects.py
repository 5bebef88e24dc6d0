"""Providers that redirect: neither the key nor the conversation is sent to an address that nobody configured."""

from __future__ import annotations

import pytest

from orchestration.gateway.gateway import Gateway
from orchestration.gateway.probe import probe
from orchestration.tests.gateway import KEY, ask, completed, failed, request, spec, text_of
from orchestration.tests.providers import Answer, AnthropicServer, OpenAIServer

SERVERS = {"openai": OpenAIServer, "anthropic": AnthropicServer}
TEXT = "My diagnosis is private."

pytestmark = pytest.mark.parametrize("kind", SERVERS)


def redirect(status: int, location: str) -> Answer:
    return Answer(status=status, headers={"location": location})


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_call_is_not_sent_elsewhere(kind: str, status: int, gateway: Gateway) -> None:
    with SERVERS[kind]() as provider, SERVERS[kind]() as elsewhere:
        provider.queue(redirect(status, elsewhere.base_url + elsewhere.path + "?key=1"))
        end = failed(await ask(gateway, request(spec(kind, provider.base_url), TEXT)))
        assert (end.code, end.retryable, end.may_have_cost) == ("provider_error", False, False)
        target = elsewhere.base_url + elsewhere.path
        assert end.message == (
            f"The provider test redirects elsewhere, to {target} (HTTP {status}): set the provider's base URL."
        )
        assert len(provider.served) == 1
        assert elsewhere.served == []


@pytest.mark.parametrize("status", [301, 302, 303])
async def test_a_redirect_that_turns_a_post_into_a_get_is_named(
    kind: str, status: int, gateway: Gateway
) -> None:
    with SERVERS[kind]() as provider:
        provider.queue(redirect(status, "/elsewhere"))
        end = failed(await ask(gateway, request(spec(kind, provider.base_url), TEXT)))
        assert end.message == (
            f"The provider test redirects to /elsewhere (HTTP {status}): set the provider's base URL."
        )
        assert end.may_have_cost is False
        assert len(provider.served) == 1


@pytest.mark.parametrize("status", [307, 308])
async def test_a_redirect_on_the_same_origin_is_followed(kind: str, status: int, gateway: Gateway) -> None:
    with SERVERS[kind]() as provider:
        provider.key = KEY
        provider.queue(
            redirect(status, provider.base_path + provider.path + "?moved=1"), Answer("Here I am.")
        )
        events = await ask(gateway, request(spec(kind, provider.base_url), TEXT))
        assert text_of(events) == "Here I am."
        assert completed(events).report.source == "provider"
        first, second = provider.wait_served(2)
        assert first.body == second.body


async def test_a_circle_of_redirects_ends(kind: str, gateway: Gateway) -> None:
    with SERVERS[kind]() as provider:
        provider.default = redirect(307, provider.base_path + provider.path)
        end = failed(await ask(gateway, request(spec(kind, provider.base_url), TEXT)))
        assert "redirects to" in end.message
        assert len(provider.served) == 4


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_test_says_the_same(kind: str, status: int) -> None:
    with SERVERS[kind]() as provider, SERVERS[kind]() as elsewhere:
        elsewhere.models = ["test-model-1"]
        provider.models_answer = redirect(status, elsewhere.base_url + elsewhere.models_path)
        found = await probe(spec(kind, provider.base_url), ["test-model-1"])
        assert not found.works
        assert "redirects elsewhere, to " + elsewhere.base_url in found.message
        assert "set the provider's base URL" in found.message
        assert KEY not in found.message
        assert elsewhere.served == []
