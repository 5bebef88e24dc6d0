"""A gateway with a server of either wire format."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from orchestration.engine.specs import ModelSpec, Usage
from orchestration.tests.gateway import (
    KEY,
    spec,
)
from orchestration.tests.providers import (
    AnthropicServer,
    OpenAIServer,
    ProviderServer,
)

SERVERS = {"openai": OpenAIServer, "anthropic": AnthropicServer}


USAGE = Usage(input=40, cache_read=60, cache_write_5m=7, output=30, reasoning=12)


@pytest.fixture(params=["openai", "anthropic"])
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def server(kind: str) -> Iterator[ProviderServer]:
    with SERVERS[kind]() as server:
        server.key = KEY
        yield server


@pytest.fixture
def model(kind: str, server: ProviderServer) -> ModelSpec:
    return spec(kind, server.base_url)
