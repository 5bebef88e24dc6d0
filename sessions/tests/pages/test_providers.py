"""*Test* on the page of providers and keys: requests a provider's list of models and shows the result."""

from __future__ import annotations

import re
import socket
from html import unescape

import pytest
from django.contrib.auth.models import Permission
from django.core.management import call_command
from django.urls import reverse

from accounts.models import User
from accounts.tests.support.admin_site import static_files_as_they_are
from billing.models import UsageEvent
from orchestration.models import Provider
from sessions.pages.providers import TESTS_PER_MINUTE
from sessions.tests.factories import make_model
from sessions.tests.support.pages import assert_leads_to_sign_in, browser, text_of

__all__ = ["static_files_as_they_are"]

pytestmark = pytest.mark.django_db
KEY = "sk-test-0123456789abcdef"


@pytest.fixture
def staff():
    carol = User.objects.create_user("carol@example.org", is_staff=True)
    carol.user_permissions.add(Permission.objects.get(codename="change_provider"))
    return browser(carol)


@pytest.fixture(params=["openai", "anthropic"])
def server(request, monkeypatch):
    """A provider with a key, in the catalogue with one model."""
    server = request.getfixturevalue(f"{request.param}_server")
    server.key, server.models = KEY, ["good-model"]
    make_model(server, "good-model", kind=request.param)
    Provider.objects.filter(base_url=server.base_url).update(key_env="TEST_API_KEY")
    monkeypatch.setenv("TEST_API_KEY", KEY)
    return server


def test_the_commands_for_other_servers_are_what_they_say(staff):
    page = unescape(text_of(staff.get(reverse("welcome")))).replace("\\\n", "")
    commands = re.findall(r"bin/manage (add_\S+) ([^\n<]+)", page)
    assert [name for name, _ in commands] == ["add_provider", "add_model"] * 2
    for name, arguments in commands:
        call_command(name, *arguments.split())
    assert {"ollama", "openrouter"} <= set(Provider.objects.values_list("name", flat=True))


def address_of(server):
    return reverse("provider-test", args=[Provider.objects.get(base_url=server.base_url).pk])


def test_a_good_key_works_and_costs_nothing(staff, server):
    page = text_of(staff.post(address_of(server)))
    assert "Connected: the list of models arrived after" in page
    assert "does not list" not in page
    assert KEY not in page
    assert not UsageEvent.objects.exists()


def test_a_server_without_a_key_that_nobody_started_is_no_default(staff, openai_server, monkeypatch):
    for name in ("OPENAI_API_KEY", "ANTHROPIC_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    make_model(openai_server, "local-model")
    openai_server.key, openai_server.models = None, ["local-model"]
    assert "run on <code>demo</code>" in text_of(staff.get(reverse("welcome")))

    assert "Connected" in text_of(staff.post(address_of(openai_server)))
    assert "run on <code>local-model</code>" in text_of(staff.get(reverse("welcome")))


def test_a_wrong_key_is_named_by_its_variable(staff, server, monkeypatch):
    monkeypatch.setenv("TEST_API_KEY", "sk-wrong-0123456789")
    response = staff.post(address_of(server))
    assert response.status_code == 200
    assert "rejected the API key: check the key in TEST_API_KEY." in text_of(response)
    assert "sk-wrong" not in text_of(response)


def test_a_provider_that_cannot_be_reached(staff, server):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        Provider.objects.update(base_url=f"http://127.0.0.1:{taken.getsockname()[1]}/v1")
        page = text_of(
            staff.post(reverse("provider-test", args=[Provider.objects.get(key_env="TEST_API_KEY").pk]))
        )
    assert "cannot be reached: " in page


def test_a_model_that_the_provider_does_not_list(staff, server):
    server.models = ["other-model"]
    assert "Not in the provider's list: good-model. Check the model ID." in text_of(
        staff.post(address_of(server))
    )


def test_the_address_of_a_result_leads_back(staff, server):
    assert staff.get(address_of(server))["Location"] == reverse("welcome")


def test_it_is_for_staff_who_may_change_providers(client, alice, server):
    assert_leads_to_sign_in(client.post(address_of(server)))
    dora = User.objects.create_user("dora@example.org", is_staff=True)
    dora.user_permissions.add(Permission.objects.get(codename="view_provider"))
    for other in (browser(alice), browser(dora)):
        assert other.get(reverse("welcome")).status_code == 404
        assert other.get(address_of(server)).status_code == other.post(address_of(server)).status_code == 404
        assert reverse("welcome") not in text_of(other.get(reverse("home")))
    assert not server.served


def test_unknown_and_disabled_providers_are_refused(staff, server):
    for unknown in ("none", "00000000-0000-0000-0000-000000000000", "%00"):
        assert staff.post(f"/welcome/{unknown}/test").status_code == 404
    Provider.objects.update(enabled=False)
    assert staff.post(address_of(server)).status_code == 404


def test_it_can_be_done_so_many_times_a_minute(staff, server, monkeypatch):
    monkeypatch.delenv("TEST_API_KEY")  # nothing is sent
    answers = [staff.post(address_of(server)).status_code for _ in range(2 * TESTS_PER_MINUTE + 1)]
    assert answers[:TESTS_PER_MINUTE] == [200] * TESTS_PER_MINUTE
    assert 429 in answers  # also where a minute ended meanwhile


def test_a_forbidden_key_variable_is_reported_and_not_sent(staff, server, monkeypatch):
    monkeypatch.setenv("DATABASE_URL", KEY)
    Provider.objects.filter(base_url=server.base_url).update(key_env="DATABASE_URL")
    page = text_of(staff.get(reverse("welcome")))
    assert "No provider may read <code>DATABASE_URL</code>" in page
    assert "data-provider-test" not in page
    assert staff.post(address_of(server)).status_code == 200
    assert server.served == []


def test_only_what_has_a_key_can_be_tested(staff, server, monkeypatch):
    make_model()
    page = text_of(staff.get(reverse("welcome")))
    assert page.count("data-provider-test") == 1
    monkeypatch.delenv("TEST_API_KEY")
    assert "data-provider-test" not in text_of(staff.get(reverse("welcome")))
