"""What people see of cuts, and what administrators see of models."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from accounts.models import User
from accounts.tests.support.admin_site import page as page_of
from accounts.tests.support.admin_site import static_files_as_they_are
from orchestration.models import LlmModel, Provider
from orchestration.tests.providers import Answer, Gate, Hold, OpenAIServer
from sessions.tests.browser.steps import ended, lane, open_session, send
from sessions.tests.factories import make_agent, make_room, make_session
from sessions.tests.support.councils import says

__all__ = ["static_files_as_they_are"]

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("nobody_runs")]


def test_a_cut_is_noted_at_once_and_shown_on_request(
    look_as: object, alice: User, openai_model: LlmModel, openai_server: OpenAIServer
) -> None:
    room = make_room(alice, *(make_agent(alice, key, openai_model) for key in ("ana", "bob")))
    gate = Gate()
    openai_server.when(says("ana"), Answer("I doubt it.\n\nBob: 12 % of revenue."))
    openai_server.when(says("bob"), Answer(("Fine, ", "then."), at={1: Hold(gate)}))
    look = look_as(alice)  # type: ignore[operator]
    open_session(look.page, make_session(alice, room))
    send(look.page, "@all what now?")
    expect(lane(look.page, "ana").locator("[data-cut]")).to_have_text("Cut: it began to answer for Bob.")
    gate.open()
    ended(look.page)
    cut = lane(look.page, "ana").locator("[data-cut-text]")
    expect(cut).not_to_contain_text("12 % of revenue", use_inner_text=True)
    cut.locator("summary").click()
    expect(cut).to_contain_text("Bob: 12 % of revenue.", use_inner_text=True)
    look.here("a cut answer")
    look.at(f"/rooms/{room.pk}/edit")
    assert not look.wrong, "\n".join(look.wrong)


def test_a_found_model_fills_in_the_form(look_as: object, openai_server: OpenAIServer) -> None:
    openai_server.models = ["qwen3:8b", "llama3.2"]
    root = User.objects.create_superuser("root@example.com", name="Root")
    Provider.objects.create(name="home", kind="openai", base_url=openai_server.base_url)
    look = look_as(root)  # type: ignore[operator]
    page = look.page
    page.goto(page_of(LlmModel, "add"))
    page.locator("#search-provider").select_option(label="home")
    page.get_by_role("button", name="Search").click()
    expect(page.get_by_role("link", name="llama3.2")).to_be_visible()
    look.here("models found")
    page.get_by_role("link", name="qwen3:8b").click()
    expect(page.get_by_label("Alias")).to_have_value("qwen3:8b")
    page.get_by_label("Context window").fill("8192")
    page.get_by_label("Max output tokens").fill("1024")
    page.locator("#id_input_pico").fill("0")
    page.locator("#id_output_pico").fill("0.5")
    look.here("model filled in")
    assert not look.wrong, "\n".join(look.wrong)
