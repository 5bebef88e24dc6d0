"""Adding providers and models."""

from __future__ import annotations

from typing import Any

import pytest

from orchestration.models import LlmModel, Provider
from orchestration.services import model_add, provider_add
from web.errors import ValidationFailed

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    "url",
    [
        "",
        "http://localhost:11434/v1",
        "http://ollama:11434/v1",
        "https://openrouter.ai/api/v1",
        "http://[::1]:8000/v1",
        "http://10.0.0.7/v1/",
    ],
)
def test_addresses(url: str) -> None:
    assert provider_add(name="server", kind="openai", base_url=url).base_url == url


@pytest.mark.parametrize(
    "url",
    [
        "localhost:11434",
        "ftp://host",
        "http://",
        "http://user:secret@host/v1",
        "http://host/v1?key=secret",
        "http://a b",
    ],
)
def test_unusable_addresses(url: str) -> None:
    with pytest.raises(ValidationFailed) as failed:
        provider_add(name="server", kind="openai", base_url=url)
    assert list(failed.value.details["fields"]) == ["base_url"]
    assert "secret" not in str(failed.value.details)


@pytest.mark.parametrize(
    ("fields", "wrong"),
    [
        ({"name": "openai"}, "name"),
        ({"name": "with space"}, "name"),
        ({"kind": "gopher"}, "kind"),
        ({"key_env": "not a name"}, "key_env"),
        ({"key_env": "sk-proj-a-key-by-mistake"}, "key_env"),
        ({"key_env": "PANTHEON_SECRET_KEY"}, "key_env"),
        ({"key_env": "PANTHEON_API_KEY"}, "key_env"),
        ({"key_env": "DATABASE_URL"}, "key_env"),
        ({"key_env": "HOME"}, "key_env"),
        ({"key_env": "OPENAI_API_KEY_FILE"}, "key_env"),
    ],
)
def test_a_provider_that_cannot_be_taken(fields: dict[str, str], wrong: str) -> None:
    with pytest.raises(ValidationFailed) as failed:
        provider_add(**{"name": "server", "kind": "openai", **fields})
    assert list(failed.value.details["fields"]) == [wrong]
    assert Provider.objects.count() == 3


@pytest.mark.parametrize(
    ("fields", "wrong"),
    [
        ({"alias": "demo"}, "alias"),
        ({"alias": "a b"}, "alias"),
        ({"model_id": ""}, "model_id"),
        ({"context_window": 10}, "context_window"),
        ({"max_output_tokens": 1}, "max_output_tokens"),
        ({"max_output_tokens": 8192}, "max_output_tokens"),
    ],
)
def test_a_model_that_cannot_be_taken(fields: dict[str, Any], wrong: str) -> None:
    good: dict[str, Any] = {
        "alias": "llama",
        "model_id": "llama3",
        "context_window": 8192,
        "max_output_tokens": 1024,
    }
    provider = Provider.objects.get(name="openai")
    before = LlmModel.objects.count()
    with pytest.raises(ValidationFailed) as failed:
        model_add(provider=provider, **{**good, **fields})
    assert list(failed.value.details["fields"]) == [wrong]
    assert LlmModel.objects.count() == before


def test_a_new_model_comes_after_the_starters() -> None:
    provider = Provider.objects.get(name="openai")
    model_add(alias="a-new-one", provider=provider, model_id="x", context_window=8192, max_output_tokens=1024)
    assert list(provider.llm_models.values_list("alias", flat=True))[-1] == "a-new-one"
