"""Forms of agents and rooms: nothing is sent by accident or lost without a question, and Lead asks for its goal."""

from __future__ import annotations

import pytest
from playwright.sync_api import Dialog, Page, expect

from accounts.models import User
from sessions.models import Agent, Room
from sessions.tests.factories import make_agent, make_model

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("nobody_runs")]


def test_a_new_agent_is_confirmed_and_its_handle_shown(alices: Page, alice: User) -> None:
    alices.goto("/agents/new")
    name, handle = alices.locator("#id_name"), alices.locator("#id_key")
    expect(name).to_be_focused()
    name.press_sequentially("Frau Müller")
    expect(handle).to_have_value("frau-muller")
    expect(alices.get_by_text("Mention it as @frau-muller.")).to_be_visible()
    handle.fill("Steuer")
    expect(alices.get_by_text("Mention it as @steuer.")).to_be_visible()
    name.press("Enter")  # goes on, and sends nothing
    expect(handle).to_be_focused()
    handle.press("Enter")
    expect(alices.locator("#id_model")).to_be_focused()
    expect(handle).to_have_value("steuer")
    assert not Agent.objects.exists()
    alices.get_by_role("button", name="Create agent").click()
    expect(alices.get_by_text("Frau Müller (@steuer) was created.")).to_be_visible()
    assert Agent.objects.get().key == "steuer"


def test_a_new_agent_leads_to_a_chat_with_it(alices: Page, alice: User) -> None:
    make_model(alias="demo-2")
    alices.goto("/agents/new")
    alices.locator("#id_name").press_sequentially("Ana")
    alices.locator("#id_role_prompt").fill("You count.")
    alices.get_by_role("button", name="Create and chat").click()
    expect(alices.get_by_label("Message", exact=True)).to_be_visible()
    expect(alices.get_by_text("Ana (@ana) was created.")).to_be_visible()


def test_leaving_a_changed_form_asks(alices: Page, alice: User) -> None:
    agent = make_agent(alice, "ana")
    asked: list[str] = []
    answers = ["dismiss", "accept"]

    def answer(dialog: Dialog) -> None:
        asked.append(dialog.type)
        getattr(dialog, answers[len(asked) - 1])()

    alices.on("dialog", answer)
    alices.goto("/")
    alices.goto(f"/agents/{agent.pk}")
    alices.get_by_role("link", name="Cancel").click()  # nothing is changed
    alices.wait_for_url("**/")
    assert asked == []
    alices.goto(f"/agents/{agent.pk}")
    name = alices.locator("#id_name")
    name.press_sequentially("!")
    alices.get_by_role("link", name="Cancel").click(no_wait_after=True)
    expect(name).to_have_value("!Ana")
    alices.wait_for_function("() => true")
    assert asked == ["beforeunload"]
    alices.get_by_role("link", name="Cancel").click()
    alices.wait_for_url("**/")
    assert asked == ["beforeunload"] * 2
    assert Agent.objects.get().name == "Ana"


def test_saving_a_changed_form_does_not_ask(alices: Page, alice: User) -> None:
    agent = make_agent(alice, "ana")
    alices.goto(f"/agents/{agent.pk}")
    alices.locator("#id_name").press_sequentially("!")
    alices.get_by_role("button", name="Save").click()  # a dialog would be an error: nobody answers it
    alices.wait_for_url("**/")
    assert Agent.objects.get().name == "!Ana"


def test_a_room_for_lead_asks_for_its_goal(alices: Page, alice: User) -> None:
    make_agent(alice, "ana")
    request = "Lead needs a goal: what should the council decide or produce?"
    alices.goto("/rooms/new")
    name, goal = alices.locator("#id_name"), alices.locator("#id_goal")
    name.press_sequentially("Board")
    expect(alices.get_by_text(request)).to_be_hidden()
    alices.locator("#id_mode").select_option("orchestrator")
    expect(alices.get_by_text(request)).to_be_visible()
    alices.get_by_role("button", name="Create room").click()
    expect(goal).to_be_focused()
    assert goal.evaluate("(field) => field.validationMessage") == request
    assert not Room.objects.exists()
    goal.fill("Choose a shop.")
    alices.get_by_role("button", name="Create room").click()
    expect(alices.get_by_role("heading", level=1)).to_be_visible()
    assert Room.objects.get().goal == "Choose a shop."
