"""`bin/manage add_provider`."""

from __future__ import annotations

from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from accounts.models import AuditEntry
from orchestration.models import Provider

pytestmark = pytest.mark.django_db


def add(*args: str) -> str:
    out = StringIO()
    call_command("add_provider", *args, stdout=out)
    return out.getvalue()


def test_a_provider_with_a_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENROUTER_API_KEY", raising=False)
    url = "https://openrouter.ai/api/v1"
    said = add("openrouter", "--kind", "openai", "--base-url", url, "--key-env", "OPENROUTER_API_KEY")
    provider = Provider.objects.get(name="openrouter")
    assert (provider.kind, provider.base_url, provider.key_env, provider.enabled) == (
        "openai",
        url,
        "OPENROUTER_API_KEY",
        True,
    )
    assert "set OPENROUTER_API_KEY" in said
    assert "add_model" in said
    entry = AuditEntry.objects.get(object_id=str(provider.pk))
    assert (entry.action, entry.actor_id, entry.after["base_url"]) == ("add", None, url)


def test_a_provider_without_a_key() -> None:
    said = add("ollama", "--kind", "openai", "--base-url", "http://ollama:11434/v1")
    assert Provider.objects.get(name="ollama").has_key
    assert "Before" not in said


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["openai", "--kind", "openai"], "name"),
        (["x", "--kind", "openai", "--base-url", "nowhere"], "base url"),
        (["x", "--kind", "openai", "--key-env", "sk-1"], "key env"),
        (
            ["x", "--kind", "openai", "--key-env", "DATABASE_URL"],
            "key env: Use a variable that ends in _API_KEY",
        ),
        (["x", "--kind", "demo"], "kind"),
        (["x"], "--kind"),
    ],
)
def test_bad_input_is_named(args: list[str], words: str) -> None:
    with pytest.raises(CommandError, match=words):
        add(*args)
    assert Provider.objects.count() == 3
