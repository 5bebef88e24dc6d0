"""The agent editor."""

from __future__ import annotations

import datetime as dt
import uuid

import pytest
from django.urls import reverse
from django.utils import timezone

from accounts.tests.support.admin_site import static_files_as_they_are
from billing.models import ModelPrice
from orchestration.models import LlmModel
from sessions.models import Agent, ChatSession
from sessions.pages.catalogue import tokens_text
from sessions.selectors.pages import agents_in
from sessions.tests.factories import RATES, make_agent, make_model, make_room
from sessions.tests.support.pages import assert_leads_to_sign_in, browser, text_of

__all__ = ["static_files_as_they_are"]

pytestmark = pytest.mark.django_db
NEW = reverse("agent-new")
FIELDS = {
    "name": "Ana Lyst",
    "key": "ana",
    "model": "",
    "role_prompt": " You count.\n",
    "temperature": "",
    "max_output_tokens": "",
    "reasoning_effort": "",
}


@pytest.fixture
def agent(alice):
    return make_agent(alice, "ana", temperature=0.5)


def url(name: str, agent: Agent) -> str:
    return reverse(name, args=[agent.pk])


def test_signed_out_people_are_asked_to_sign_in(client, agent):
    for path in (NEW, url("agent", agent)):
        assert_leads_to_sign_in(client.get(path))
    for path in (NEW, url("agent", agent), url("agent-delete", agent), url("agent-chat", agent)):
        assert_leads_to_sign_in(client.post(path, FIELDS))


def test_to_strangers_an_agent_does_not_exist(agent, bob):
    client = browser(bob)
    assert client.get(url("agent", agent)).status_code == 404
    for name in ("agent", "agent-delete", "agent-chat"):
        assert client.post(url(name, agent), FIELDS).status_code == 404
    assert Agent.objects.alive().get().name == "Ana"
    assert client.get(reverse("agent", args=[uuid.uuid4()])).status_code == 404


def test_an_agent_is_made(alice):
    model = make_model(alias="fine-model")
    chosen = {"temperature": "0.7", "max_output_tokens": "500", "reasoning_effort": "high"}
    fields = {**FIELDS, "model": "fine-model", **chosen}
    client = browser(alice)
    assert "Default (" in text_of(client.get(NEW))
    response = client.post(NEW, fields)
    agent = Agent.objects.get()
    assert response["Location"] == reverse("home")
    assert "Ana Lyst (@ana) was created." in text_of(client.get(reverse("home")))
    assert (agent.owner, agent.key, agent.name, agent.model) == (alice, "ana", "Ana Lyst", model)
    assert (agent.role_prompt, agent.temperature, agent.max_output_tokens) == (" You count.\n", 0.7, 500)
    assert agent.reasoning_effort == "high"
    assert '<option value="high" selected>High</option>' in text_of(client.get(url("agent", agent)))


@pytest.mark.parametrize("key", ["Ana", " ANA ", "@ana"])
def test_a_handle_is_made_lower_case(alice, key):
    browser(alice).post(NEW, {**FIELDS, "key": key})
    assert Agent.objects.get().key == "ana"


def test_from_the_new_agent_it_goes_where_the_user_wants_next(alice):
    client = browser(alice)
    client.post(NEW, {**FIELDS, "then": "chat"})
    chat = ChatSession.objects.get()
    assert chat.agent == Agent.objects.get()
    assert "Ana Lyst (@ana) was created." in text_of(client.get(reverse("session", args=[chat.pk])))
    assert client.post(NEW, {**FIELDS, "key": "bo", "then": "another"})["Location"] == NEW
    assert client.post(f"{NEW}?for=room", {**FIELDS, "key": "cy"})["Location"] == reverse("room-new")


def test_the_default_model_is_null(alice):
    browser(alice).post(NEW, FIELDS)
    agent = Agent.objects.get()
    assert (agent.model, agent.temperature, agent.max_output_tokens) == (None, None, None)


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"key": "No Spaces"}, "Use 1 to 64 of a-z"),
        ({"key": "all"}, "@all addresses every agent"),
        ({"key": "taken"}, "You have an agent @taken already"),
        ({"key": ""}, "This field is required"),
        ({"name": ""}, "This field is required"),
        ({"model": "unknown"}, "Select a valid choice"),
        ({"temperature": "3"}, "less than or equal to 2"),
        ({"temperature": "warm"}, "Enter a number"),
        ({"max_output_tokens": "1"}, "greater than or equal to 16"),
        ({"role_prompt": "x" * 20_001}, "at most 20000 characters"),
    ],
)
def test_invalid_input_is_reported_and_typed_text_is_kept(alice, changed, sentence):
    make_agent(alice, "taken")
    response = browser(alice).post(NEW, {**FIELDS, "role_prompt": "You keep this.", **changed})
    page = text_of(response)
    assert response.status_code == 200
    assert sentence in page
    assert "field-refused" in page
    assert changed.get("role_prompt", "You keep this.") in page
    assert Agent.objects.count() == 1


def test_an_agent_is_changed(alice, agent):
    client = browser(alice)
    assert 'value="0.5"' in text_of(client.get(url("agent", agent)))
    assert client.post(url("agent", agent), {**FIELDS, "name": "Anna"}).status_code == 302
    agent.refresh_from_db()
    assert (agent.name, agent.temperature) == ("Anna", None)


def test_a_model_that_is_not_available_stays_chosen(alice):
    model = make_model(alias="old-model")
    agent = make_agent(alice, "ana", model)
    LlmModel.objects.filter(pk=model.pk).update(enabled=False)
    client = browser(alice)
    assert "old-model (not available)" in text_of(client.get(url("agent", agent)))
    client.post(url("agent", agent), {**FIELDS, "model": "old-model"})
    agent.refresh_from_db()
    assert agent.model == model


def test_a_refused_change_changes_nothing(alice, agent):
    make_agent(alice, "taken")
    page = text_of(browser(alice).post(url("agent", agent), {**FIELDS, "key": "taken"}))
    assert "You have an agent @taken already" in page
    assert "<h1>Ana</h1>" in page
    agent.refresh_from_db()
    assert agent.key == "ana"


def test_a_deleted_agent_leaves_its_rooms(alice, agent):
    room = make_room(alice, agent)
    assert browser(alice).post(url("agent-delete", agent))["Location"] == reverse("home")
    assert not Agent.objects.alive().exists()
    assert agents_in(room) == []


def test_an_unused_chat_is_created_once(alice, agent):
    client = browser(alice)
    first = client.post(url("agent-chat", agent))["Location"]
    assert client.post(url("agent-chat", agent))["Location"] == first
    session = ChatSession.objects.get()
    assert (session.agent, session.room, session.owner) == (agent, None, alice)
    assert first == reverse("session", args=[session.pk])


def test_models_say_what_they_cost_and_hold(alice, agent):
    priced, _ = make_model(alias="priced"), make_model(alias="unpriced", priced=False)
    rates = {**RATES, "input_pico": 4_000_000, "output_pico": 150_000}
    from_now = {"source": "test", "effective_from": timezone.now()}
    ModelPrice.objects.create(model=priced, min_input_tokens=200_000, **from_now, **rates)
    later = {"source": "test", "effective_from": timezone.now() + dt.timedelta(days=1)}
    ModelPrice.objects.create(model=priced, **later, **{**RATES, "input_pico": 9_000_000})
    label = "priced · $2.00 in, $10.00 out (over 200k: $4.00 in, $0.15 out) · 32k context"
    room = make_room(alice, agent)
    for path in (url("agent", agent), NEW, reverse("room-edit", args=[room.pk])):
        page = text_of(browser(alice).get(path))
        assert f'<option value="priced">{label}</option>' in page
        assert '<option value="unpriced">unpriced · no price · 32k context</option>' in page
    Agent.objects.update(model=priced)
    assert f'<option value="priced" selected>{label}</option>' in text_of(
        browser(alice).get(url("agent", agent))
    )


def test_the_default_says_what_it_costs(alice, settings):
    make_model(alias="fine-model")
    settings.PANTHEON_DEFAULT_MODEL = "fine-model"
    page = text_of(browser(alice).get(NEW))
    assert "Default (fine-model · $2.00 in, $10.00 out · 32k context)" in page


def test_many_models_take_as_many_queries_as_few(alice, django_assert_num_queries):
    client = browser(alice)
    make_model(alias="one")
    # who is signed in (2), budgets, the default model, models, their prices, the sidebar's pins, sessions and rooms
    with django_assert_num_queries(9):
        client.get(NEW)
    for number in range(5):
        make_model(alias=f"model-{number}")
    with django_assert_num_queries(9):
        client.get(NEW)


@pytest.mark.parametrize(
    ("count", "text"),
    [
        *((4_096, "4k"), (32_768, "32k"), (128_000, "128k"), (131_072, "128k"), (200_000, "200k")),
        *((1_000_000, "1M"), (1_048_576, "1M"), (1_047_576, "1M"), (2_500_000, "2.5M"), (1_500, "2k")),
    ],
)
def test_windows_are_short_to_read(count, text):
    assert tokens_text(count) == text
