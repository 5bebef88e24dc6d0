"""The provider servers as fixtures: import them in a `conftest.py`."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from orchestration.tests.providers.anthropic_server import AnthropicServer
from orchestration.tests.providers.openai_server import OpenAIServer


@pytest.fixture
def openai_server() -> Iterator[OpenAIServer]:
    """A server for OpenAI's chat completions API."""
    with OpenAIServer() as server:
        yield server


@pytest.fixture
def anthropic_server() -> Iterator[AnthropicServer]:
    """A server for Anthropic's Messages API."""
    with AnthropicServer() as server:
        yield server
