"""`bin/manage list_models`: a provider's own list, with what the data know."""

from __future__ import annotations

from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from orchestration.models import LlmModel, Provider
from orchestration.tests.providers import OpenAIServer
from orchestration.tests.providers.fixtures import openai_server

__all__ = ["openai_server"]

pytestmark = pytest.mark.django_db


def run(name: str) -> str:
    out = StringIO()
    call_command("list_models", name, stdout=out)
    return out.getvalue()


@pytest.fixture
def provider(openai_server: OpenAIServer) -> Provider:
    openai_server.models = ["llama3.2", "qwen3:8b", "evil\x1b[31m"]
    return Provider.objects.create(name="home", kind="openai", base_url=openai_server.base_url)


def test_the_list_of_the_server(provider: Provider, openai_server: OpenAIServer) -> None:
    LlmModel.objects.create(
        alias="qwen", provider=provider, model_id="qwen3:8b", context_window=8192, max_output_tokens=1024
    )
    text = run("home")
    assert "llama3.2: unknown context window, no price known\n" in text
    assert "qwen3:8b: unknown context window, no price known, in the catalogue as qwen\n" in text
    assert "\x1b" not in text
    assert "bin/manage add_model ALIAS --provider home" in text
    assert all("/models" in served.path for served in openai_server.served)


def test_a_server_that_is_not_there(provider: Provider) -> None:
    Provider.objects.update(base_url="http://127.0.0.1:9/v1")
    with pytest.raises(CommandError, match="home"):
        run("home")


def test_an_unknown_provider() -> None:
    with pytest.raises(CommandError, match="Providers: anthropic, demo, openai"):
        run("nowhere")
