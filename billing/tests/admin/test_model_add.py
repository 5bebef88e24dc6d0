"""*Add model* in the administration: a search that fills in the form, and a model with its price at once."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.test import Client

from accounts.models import AuditEntry, User
from accounts.tests.support.admin_site import page, signed_in, static_files_as_they_are, superuser
from orchestration.models import LlmModel, Provider
from orchestration.tests.providers import Answer, OpenAIServer
from orchestration.tests.providers.fixtures import openai_server

__all__ = ["openai_server", "static_files_as_they_are"]

pytestmark = pytest.mark.django_db

ADD = page(LlmModel, "add")
NANO = "gpt-4.1-nano"


@pytest.fixture
def openai(monkeypatch: pytest.MonkeyPatch) -> Provider:
    """OpenAI, whose models are in the data; without a key it cannot be asked."""
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    return Provider.objects.get(name="openai")


@pytest.fixture
def home(openai_server: OpenAIServer) -> Provider:
    openai_server.models = ["qwen3:8b", "llama3.2", "\x1b[31mred"]
    return Provider.objects.create(name="home", kind="openai", base_url=openai_server.base_url)


def form_of(client: Client, provider: Provider, model_id: str, **changes: Any) -> dict[str, Any]:
    """Return what the form for a found model sends."""
    form = client.get(ADD, {"provider": str(provider.pk), "model_id": model_id}).context["adminform"].form
    values = {name: form.get_initial_for_field(field, name) for name, field in form.fields.items()}
    return {name: value for name, value in {**values, **changes}.items() if value not in (None, False, "")}


def test_the_search_asks_the_server_and_says_what_is_there(home: Provider) -> None:
    LlmModel.objects.create(
        alias="qwen", provider=home, model_id="qwen3:8b", context_window=8192, max_output_tokens=1024
    )
    search = superuser().get(ADD, {"provider": str(home.pk), "q": "3"}).context["search"]
    assert [(found.model_id, found.alias) for found in search.found] == [
        ("\x1b[31mred", ""),
        ("llama3.2", ""),
        ("qwen3:8b", "qwen"),
    ]
    assert search.problem == ""


def test_what_the_server_says_fills_in_the_form(home: Provider, openai_server: OpenAIServer) -> None:
    row = {
        "id": "vendor/thinker",
        "context_length": 100_000,
        "top_provider": {"max_completion_tokens": 8_000},
        "supported_parameters": ["reasoning"],
        "reasoning": {"mandatory": True, "supported_efforts": ["low", "high"]},
    }
    openai_server.models_answer = Answer(body=json.dumps({"data": [row]}).encode())
    client = superuser()
    (found,) = client.get(ADD, {"provider": str(home.pk), "q": ""}).context["search"].found
    form = client.get(f"{ADD}?{found.query}").context["adminform"].form
    first = {name: form.get_initial_for_field(field, name) for name, field in form.fields.items()}
    assert (first["context_window"], first["max_output_tokens"]) == (100_000, 8_000)
    assert (first["json_schema"], first["temperature"]) == (False, False)
    assert first["reasoning_efforts"] == ["low", "high"]


def test_a_server_that_fails_leaves_the_data_and_says_why(openai: Provider) -> None:
    text = superuser().get(ADD, {"provider": str(openai.pk), "q": "4.1 nano"}).content.decode()
    assert "set OPENAI_API_KEY" in text
    assert f"model_id={NANO}" in text
    assert "$0.10 / $0.40" in text


def test_the_sentence_of_a_refusal_is_that_of_a_test(home: Provider, openai_server: OpenAIServer) -> None:
    openai_server.models_answer = Answer(status=401)
    search = superuser().get(ADD, {"provider": str(home.pk), "q": ""}).context["search"]
    assert "key" in search.problem
    assert search.found == []


def test_a_found_model_is_added_with_its_price_at_once(openai: Provider) -> None:
    client = superuser()
    assert client.post(ADD, form_of(client, openai, NANO)).status_code == 302
    model = LlmModel.objects.get(alias=NANO)
    assert (model.context_window, model.max_output_tokens) == (1_000_000, 16_384)
    price = model.prices.get()
    assert (price.input_pico, price.output_pico) == (100_000, 400_000)
    assert price.source.startswith("genai-prices")
    added = AuditEntry.objects.filter(action="add", object_id__in=[str(model.pk), str(price.pk)])
    assert added.count() == 2
    assert all(entry.actor_id for entry in added)


def test_an_unchanged_price_comes_with_its_tiers(openai: Provider) -> None:
    client = superuser()
    client.post(ADD, form_of(client, openai, "gpt-6.1-sol", alias="sol"))
    prices = LlmModel.objects.get(alias="sol").prices
    assert set(prices.values_list("min_input_tokens", flat=True)) == {0, 272_001}


def test_a_model_that_the_data_do_not_know_gets_the_price_entered(home: Provider) -> None:
    client = superuser()
    sizes = {"context_window": 8192, "max_output_tokens": 1024}
    form = form_of(client, home, "qwen3:8b", **sizes, input_pico="0", output_pico="0.5")
    assert form["alias"] == "qwen3:8b"
    assert client.post(ADD, form).status_code == 302
    price = LlmModel.objects.get(model_id="qwen3:8b").prices.get()
    assert (price.input_pico, price.cache_read_pico, price.output_pico) == (0, 0, 500_000)
    assert price.source == "administration"


def test_a_model_can_be_added_without_a_price(home: Provider) -> None:
    client = superuser()
    form = form_of(client, home, "llama3.2", context_window=8192, max_output_tokens=1024)
    assert client.post(ADD, form).status_code == 302
    assert not LlmModel.objects.get(model_id="llama3.2").prices.exists()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"input_pico": "100"}, "differ much"),
        ({"output_pico": None}, "Enter both"),
        ({"input_pico": "-1"}, "0 to 1,000,000"),
        ({"max_output_tokens": 1_000_000}, "leave room for input"),
    ],
)
def test_a_form_that_is_refused_adds_nothing(openai: Provider, changes: dict[str, Any], words: str) -> None:
    client = superuser()
    response = client.post(ADD, form_of(client, openai, NANO, **changes))
    assert response.status_code == 200
    assert words in re.sub(r"\s+", " ", response.content.decode())
    assert not LlmModel.objects.filter(model_id=NANO).exists()


def test_a_price_far_from_the_data_is_confirmed(openai: Provider) -> None:
    client = superuser()
    form = form_of(client, openai, NANO, input_pico="100", is_confirmed="on")
    assert client.post(ADD, form).status_code == 302
    assert LlmModel.objects.get(model_id=NANO).prices.get().input_pico == 100_000_000


def test_staff_who_may_not_add_prices_add_it_unpriced(openai: Provider) -> None:
    staff = User.objects.create_user("carol@example.org", is_staff=True)
    staff.user_permissions.set(Permission.objects.filter(codename__in=["add_llmmodel", "view_llmmodel"]))
    client = signed_in(staff)
    form = form_of(client, openai, NANO)
    assert "input_pico" not in form
    assert client.post(ADD, {**form, "input_pico": "1", "output_pico": "1"}).status_code == 302
    assert not LlmModel.objects.get(model_id=NANO).prices.exists()
