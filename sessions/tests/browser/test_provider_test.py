"""*Test* on the page of providers and keys, with and without JavaScript."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import Permission
from playwright.sync_api import Page, expect

from accounts.models import User
from accounts.tests.support.admin_site import page as page_of
from accounts.tests.support.admin_site import static_files_as_they_are
from orchestration.models import LlmModel, Provider
from orchestration.services import unsupported_field_record
from orchestration.tests.providers import Answer, OpenAIServer
from sessions.models import Call
from sessions.tests.browser.steps import Opened, address_of, sign_in
from sessions.tests.support.admin_rows import make_rows
from sessions.tests.support.server_process import ServerProcess

__all__ = ["static_files_as_they_are"]

REFUSED = {
    "code": "provider_error",
    "message": "The provider openai-test rejected the API key in OPENAI_API_KEY (HTTP 401).",
    "retryable": False,
    "final": True,
}

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("nobody_runs")]


@pytest.fixture
def root(openai_model: LlmModel, openai_server: OpenAIServer) -> User:
    openai_server.models = ["gpt-test"]
    return User.objects.create_superuser("root@example.com", name="Root")


@pytest.mark.parametrize("scripted", [True, False])
def test_a_provider_is_tested_on_the_page(
    open_context: Opened, server: ServerProcess, root: User, openai_server: OpenAIServer, scripted: bool
) -> None:
    context = open_context(java_script_enabled=scripted)
    sign_in(context, address_of(server), root)
    page = context.new_page()
    page.goto("/welcome")
    name = Provider.objects.get(base_url=openai_server.base_url).name
    button = page.get_by_role("button", name=f"Test {name}")
    button.focus()
    button.press("Enter")
    result = page.locator("li", has=button).locator("[data-result]")
    expect(result).to_contain_text("Connected")
    assert page.url.endswith("/welcome") is scripted
    openai_server.models_answer = Answer(status=401)
    button.click()
    expect(result).to_contain_text("rejected the API key")


def test_a_provider_is_tested_in_the_administration(
    look_as: object, root: User, openai_server: OpenAIServer, openai_model: LlmModel
) -> None:
    unsupported_field_record(model_id=openai_model.pk, field="temperature", reason="HTTP 400 unsupported")
    call = make_rows().call
    Call.objects.filter(pk=call.pk).update(model=openai_model, status="failed", error=REFUSED)
    look = look_as(root)  # type: ignore[operator]
    look.at(page_of(Provider, "change", openai_model.provider_id))
    look.page.get_by_role("button", name="Test openai-test").click()
    expect(look.page.locator("[data-result]")).to_contain_text("Connected")
    look.here("provider tested in the administration")
    look.at(page_of(LlmModel, "change", openai_model.pk))
    look.page.get_by_role("button", name="Forget what was learned").click()
    expect(look.page.get_by_text("Sent again from the next turn: temperature.")).to_be_visible()
    assert not look.wrong, "\n".join(look.wrong)


def test_lines_for_other_places_can_be_copied(alices: Page, alice: User) -> None:
    User.objects.filter(pk=alice.pk).update(is_staff=True)
    alice.user_permissions.add(Permission.objects.get(codename="change_provider"))
    Provider.objects.create(name="locked", kind="openai", key_env="TEST_NO_SUCH_API_KEY")
    alices.goto("/welcome")
    alices.get_by_role("button", name="Copy the line of locked").click()
    expect(alices.get_by_role("button", name="Copy the line of locked")).to_have_text("Copied")
    assert alices.evaluate("navigator.clipboard.readText()") == "TEST_NO_SUCH_API_KEY=your-key"
    alices.get_by_text("Other providers").click()
    alices.get_by_role("button", name="Copy the commands for Ollama").click()
    expect(alices.get_by_role("button", name="Copy the commands for Ollama")).to_have_text("Copied")
    assert "add_provider ollama --kind openai" in alices.evaluate("navigator.clipboard.readText()")


def test_the_page_of_a_result(look_as: object, root: User, openai_server: OpenAIServer) -> None:
    look = look_as(root)  # type: ignore[operator]
    look.page.goto("/welcome")
    look.page.get_by_text("Other providers").click()
    look.here("welcome other servers")
    look.page.get_by_role("button", name="Test openai-test").click()
    expect(look.page.locator("[data-result]").first).to_contain_text("Connected")
    look.here("welcome tested")
    openai_server.models_answer = Answer(status=401)
    look.page.get_by_role("button", name="Test openai-test").click()
    expect(look.page.locator("[data-result]").first).to_contain_text("rejected the API key")
    look.here("welcome refused")
    assert not look.wrong, "\n".join(look.wrong)
