"""The available models and the default."""

from __future__ import annotations

from typing import Any

import pytest

from orchestration.models import LlmModel, Provider
from orchestration.selectors import available_models, default_model, model_by_alias, model_spec
from orchestration.services import model_add, provider_add, provider_test_record
from web.errors import PantheonError

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _no_keys(monkeypatch: pytest.MonkeyPatch, settings: Any) -> None:
    settings.PANTHEON_DEFAULT_MODEL = ""
    for name in ("OPENAI_API_KEY", "ANTHROPIC_API_KEY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(f"{name}_FILE", raising=False)


def local_model(alias: str = "llama", provider: str = "ollama", key_env: str = "") -> LlmModel:
    """Add a model at a provider other than the first two."""
    added = provider_add(name=provider, kind="openai", base_url="http://localhost:11434/v1", key_env=key_env)
    return model_add(alias=alias, provider=added, model_id=alias, context_window=8192, max_output_tokens=1024)


def test_without_any_key_there_is_the_demo() -> None:
    assert [model.alias for model in available_models()] == ["demo"]
    assert default_model().alias == "demo"


def test_a_key_switches_its_provider_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY_FILE", "/run/secrets/anthropic")
    assert default_model().alias == "claude-sonnet-5-5"
    monkeypatch.setenv("OPENAI_API_KEY", "sk-1")
    assert [model.alias for model in available_models()] == [
        "gpt-6.1-terra",
        "gpt-6.1-sol",
        "gpt-6-luna",
        "claude-sonnet-5-5",
        "claude-opus-5-5",
        "claude-haiku-5-5",
        "demo",
    ]
    assert default_model().alias == "gpt-6.1-terra"


def test_other_providers_come_by_name_before_the_demo(monkeypatch: pytest.MonkeyPatch) -> None:
    local_model("zebra", "z-server")
    local_model("llama", "ollama")
    local_model("keyed", "another", key_env="ANOTHER_API_KEY")
    assert [model.alias for model in available_models()] == ["llama", "zebra", "demo"]
    assert default_model(lambda provider: True).alias == "llama"
    monkeypatch.setenv("ANOTHER_API_KEY", "sk-1")
    assert default_model().alias == "keyed"
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-1")
    assert default_model().alias == "claude-sonnet-5-5"


def test_a_server_without_a_key_is_the_default_once_it_was_tested() -> None:
    local_model("dead", "a-dead-server")
    model = local_model("llama", "ollama")
    assert default_model().alias == "demo"
    provider_test_record(provider_id=model.provider_id)
    assert default_model().alias == "llama"


@pytest.mark.parametrize("suffix", ["", "_FILE"])
def test_a_row_that_names_another_variable_has_no_key(monkeypatch: pytest.MonkeyPatch, suffix: str) -> None:
    """Such rows are older than the rule for names."""
    model = local_model()
    Provider.objects.filter(pk=model.provider_id).update(key_env="POSTGRES_PASSWORD")
    monkeypatch.setenv(f"POSTGRES_PASSWORD{suffix}", "of-the-server")
    assert [each.alias for each in available_models()] == ["demo"]
    with pytest.raises(PantheonError, match="a key variable that ends in _API_KEY") as refused:
        model_by_alias("llama")
    assert refused.value.code == "model_unavailable"


def test_what_is_switched_off_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-1")
    LlmModel.objects.filter(alias="gpt-6.1-terra").update(enabled=False)
    assert default_model().alias == "gpt-6.1-sol"
    Provider.objects.filter(name="openai").update(enabled=False)
    assert default_model().alias == "demo"
    Provider.objects.update(enabled=False)
    with pytest.raises(PantheonError) as none:
        default_model()
    assert none.value.code == "model_unavailable"


def test_the_configured_default(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.PANTHEON_DEFAULT_MODEL = "claude-opus-5-5"
    with pytest.raises(PantheonError, match="ANTHROPIC_API_KEY") as unavailable:
        default_model()
    assert unavailable.value.code == "model_unavailable"
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-1")
    assert default_model().alias == "claude-opus-5-5"


@pytest.mark.parametrize(("alias", "reason"), [("nonsense", "catalogue"), ("gpt-6.1-sol", "OPENAI_API_KEY")])
def test_a_model_that_is_not_available_says_why(alias: str, reason: str) -> None:
    with pytest.raises(PantheonError, match=reason) as unavailable:
        model_by_alias(alias)
    assert unavailable.value.details == {"model": alias}


def test_a_model_that_is_switched_off_says_so() -> None:
    LlmModel.objects.filter(alias="demo").update(enabled=False)
    with pytest.raises(PantheonError, match="disabled"):
        model_by_alias("demo")


def test_one_query_each(django_assert_num_queries: Any) -> None:
    with django_assert_num_queries(1):
        available_models()
    with django_assert_num_queries(1):
        default_model()
    with django_assert_num_queries(1):
        model_by_alias("demo")


def test_the_spec_has_what_a_call_needs_and_no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret-key")
    spec = model_spec(model_by_alias("gpt-6.1-terra"))
    assert (spec.alias, spec.model_id, spec.provider, spec.kind) == (
        "gpt-6.1-terra",
        "gpt-6.1-terra",
        "openai",
        "openai",
    )
    assert (spec.key_env, spec.base_url_env, spec.base_url) == ("OPENAI_API_KEY", "OPENAI_BASE_URL", "")
    assert (spec.context_window, spec.max_output_tokens, spec.json_schema, spec.temperature) == (
        1_050_000,
        128_000,
        True,
        False,
    )
    assert "sk-secret-key" not in repr(spec)
