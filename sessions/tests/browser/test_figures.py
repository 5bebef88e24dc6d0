"""Pages with figures: a user's own usage, and the administration's dashboard."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from accounts.models import User
from orchestration.models import LlmModel
from sessions.tests.browser.steps import Opened, address_of, ended, lane, open_session, send, sign_in
from sessions.tests.factories import make_agent, make_room, make_session
from sessions.tests.support.amounts import AMOUNTS
from sessions.tests.support.server_process import ServerProcess

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("nobody_runs")]


def test_calls_of_the_conversation_are_on_usage_and_on_costs(
    alices: Page, open_context: Opened, server: ServerProcess, alice: User, openai_model: LlmModel
) -> None:
    session = make_session(
        alice, make_room(alice, make_agent(alice, "ana", openai_model), name="Harbour board")
    )
    open_session(alices, session)
    send(alices, "@ana what now?")
    ended(alices)
    cost = lane(alices, "ana").locator("[data-cost]").inner_text()
    assert cost.startswith("$0.")

    alices.goto("/usage")
    expect(alices.locator(".usage-figures strong").first).to_have_text(cost)
    alices.get_by_role("heading", name="Turns", exact=True).scroll_into_view_if_needed()
    alices.locator(".usage-turn").get_by_role("link").first.click()
    expect(lane(alices, "ana")).to_be_visible()

    root = open_context()
    sign_in(root, address_of(server), User.objects.create_superuser("root@example.com"))
    dashboard = root.new_page()
    dashboard.goto("/admin/costs/")
    expect(dashboard.get_by_role("heading", name="Costs", exact=True).first).to_be_visible()
    expect(dashboard.locator("#content")).to_contain_text(cost)
    expect(dashboard.locator("svg.chart-drawing rect").first).to_be_attached()
    dashboard.goto("/admin/chat_sessions/turn/")
    expect(dashboard.locator("#result_list tbody tr")).to_have_count(1)


def test_the_browser_formats_amounts_as_the_server_does(alices: Page) -> None:
    script = """async (amounts) => {
      const { moneyText, picoOf, usdOf } = await import("/static/js/money.js");
      return amounts.map((usd) => [moneyText(picoOf(usd)), usdOf(picoOf(usd))]);
    }"""
    alices.goto("/")
    formatted = alices.evaluate(script, [exact for _, _, exact in AMOUNTS])
    assert [tuple(each) for each in formatted] == [(text, exact) for _, text, exact in AMOUNTS]
