"""The rest of a user's walk: downloads, advice in errors, branches, figures down to a turn, far jumps."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from django.conf import settings
from playwright.sync_api import Page, Route, expect

from accounts.models import User
from orchestration.models import LlmModel
from orchestration.tests.providers import Answer, OpenAIServer
from sessions.models import ChatSession, Message, Summary, Turn
from sessions.tests.browser.steps import (
    Opened,
    address_of,
    ended,
    lane,
    open_session,
    open_summary,
    retry,
    send,
    sign_in,
    text_of_lane,
    turn,
)
from sessions.tests.browser.watching import Watch
from sessions.tests.factories import make_agent, make_room, make_session
from sessions.tests.support.councils import says
from sessions.tests.support.pages import add_turns
from sessions.tests.support.server_process import ServerProcess

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("nobody_runs")]


@pytest.fixture
def session(alice: User, openai_model: LlmModel) -> ChatSession:
    agents = [make_agent(alice, key, openai_model) for key in ("ana", "bob")]
    return make_session(alice, make_room(alice, *agents, name="Harbour board"))


def test_a_session_is_taken_away_as_a_file(
    alices: Page, session: ChatSession, openai_server: OpenAIServer
) -> None:
    openai_server.when(says("ana"), Answer("The rent is **900**."))
    open_session(alices, session)
    send(alices, "@ana what is the rent?")
    ended(alices)
    menu = alices.get_by_label("Rename, pin, export or delete this session")
    menu.focus()
    alices.keyboard.press("Enter")
    with alices.expect_download() as markdown:
        alices.get_by_role("link", name="Markdown").press("Enter")
    assert markdown.value.suggested_filename == "what-is-the-rent.md"
    assert "The rent is **900**." in Path(markdown.value.path()).read_text()
    with alices.expect_download() as everything:
        alices.get_by_role("link", name="JSON").click()
    assert everything.value.suggested_filename == "what-is-the-rent.json"
    document = json.loads(Path(everything.value.path()).read_text())
    assert [each["message"] for each in document["turns"]] == ["@ana what is the rent?"]
    alices.set_viewport_size({"width": 360, "height": 740})
    for part in (alices.get_by_label("Title", exact=True), alices.get_by_role("button", name="Rename")):
        expect(part).to_be_in_viewport(ratio=1)
    alices.keyboard.press("Escape")
    expect(alices.get_by_role("link", name="Markdown")).to_be_hidden()
    expect(menu).to_be_focused()


def test_too_many_messages_say_when_the_next_may_come(
    open_context: Opened, data_dir: Path, alice: User, session: ChatSession, watch: Watch
) -> None:
    with ServerProcess(
        data_dir,
        "",
        PANTHEON_DATA_DIR=str(data_dir),
        PANTHEON_SECRET_KEY=settings.SECRET_KEY,
        PANTHEON_TURNS_PER_MINUTE="1",
    ) as server:
        context = open_context(base_url=address_of(server))
        sign_in(context, address_of(server), alice)
        page = context.new_page()
        open_session(page, session)
        send(page, "@ana one")
        ended(page)
        watch.expect(429)
        send(page, "@ana two")
        expect(page.get_by_role("alert")).to_have_text(
            re.compile(r"^You're sending messages too quickly\. Try again in a moment\. \d+ s$")
        )
        expect(page.get_by_label("Message", exact=True)).to_have_value("@ana two")
        context.close()


def test_a_council_without_a_goal_leads_to_where_it_gets_one(
    alices: Page, session: ChatSession, watch: Watch
) -> None:
    room = session.room
    assert room is not None
    room.mode = "orchestrator"
    room.save()
    open_session(alices, session)
    watch.expect(422)
    send(alices, "Shall we?")
    alert = alices.get_by_role("alert")
    expect(alert).to_contain_text("goal")
    expect(alices.get_by_label("Message", exact=True)).to_have_value("Shall we?")
    alert.get_by_role("link", name="Edit room").click()
    expect(alices.get_by_label("Goal")).to_be_visible()


def test_a_provider_that_is_gone_is_named(
    alices: Page, session: ChatSession, openai_server: OpenAIServer
) -> None:
    openai_server.close()
    open_session(alices, session)
    send(alices, "@all how are you?")
    ended(alices)
    for _ in range(2):
        expect(turn(alices)).to_have_attribute("data-status", "failed")
        for key in ("ana", "bob"):
            expect(lane(alices, key).locator("[data-fault]")).to_contain_text(
                "The provider openai-test cannot be reached: "
            )
            expect(
                lane(alices, key).get_by_role("button", name="Retry all without an answer")
            ).to_be_visible()
        alices.reload()


def test_versions_are_leafed_through_back_and_forth(
    alices: Page, session: ChatSession, openai_server: OpenAIServer
) -> None:
    openai_server.when(says("ana"), Answer("First."), Answer("Second."), Answer("Third."))
    open_session(alices, session)
    send(alices, "@ana speak")
    ended(alices)
    for number in (2, 3):
        retry(alices, "ana")
        expect(turn(alices)).to_contain_text(f"version {number}/{number}")
        ended(alices)
    for name, words, version in (
        ("Earlier version", "Second.", 2),
        ("Earlier version", "First.", 1),
        ("Later version", "Second.", 2),
        ("Later version", "Third.", 3),
    ):
        turn(alices).get_by_role("link", name=name).press("Enter")
        expect(text_of_lane(alices, "ana")).to_have_text(words)
        expect(turn(alices)).to_contain_text(f"version {version}/3")
    assert Turn.objects.count() == 3


def test_a_version_that_is_opened_while_its_turn_is_stored_is_shown(
    alices: Page, session: ChatSession, openai_server: OpenAIServer
) -> None:
    openai_server.when(says("ana"), Answer("First."), Answer("Second."))
    open_session(alices, session)
    send(alices, "@ana speak")
    ended(alices)
    retry(alices, "ana")
    expect(turn(alices)).to_contain_text("version 2/2")
    ended(alices)
    alices.reload()
    asked: list[Route] = []
    earlier = turn(alices).get_by_role("link", name="Earlier version")
    address = earlier.get_attribute("data-version-url")
    assert address is not None
    alices.route(lambda url: url.endswith(address), lambda route: asked.append(route))
    with alices.expect_request(lambda request: request.url.endswith(address)):
        earlier.press("Enter")
    alices.evaluate(
        "for (const part of ['question', 'turn'])"
        " for (const foot of document.querySelectorAll(`[data-${part}-foot]`)) foot.replaceWith(foot.cloneNode(true))"
    )
    asked[0].continue_()
    expect(text_of_lane(alices, "ana")).to_have_text("First.")


def test_a_branch_continues_independently(
    alices: Page, session: ChatSession, openai_server: OpenAIServer
) -> None:
    openai_server.default = Answer("Well.")
    open_session(alices, session)
    for message in ("@ana one", "@ana two"):
        send(alices, message)
        ended(alices)
    turn(alices, 0).get_by_role("button", name="Branch").click()
    expect(alices.get_by_role("heading", level=1)).to_have_text("Branch of one")
    expect(alices.locator("[data-turn]")).to_have_count(1)
    send(alices, "@bob three")
    ended(alices)
    expect(lane(alices, "bob")).to_have_attribute("data-state", "complete")
    open_session(alices, session)
    expect(alices.locator("[data-question]")).to_have_text(["@ana one", "@ana two"])


def test_costs_lead_down_to_a_turn_and_the_ledger_is_audited(
    alices: Page, open_context: Opened, server: ServerProcess, session: ChatSession
) -> None:
    open_session(alices, session)
    send(alices, "@all what now?")
    ended(alices)
    root = open_context()
    sign_in(root, address_of(server), User.objects.create_superuser("root@example.com"))
    page = root.new_page()
    page.goto("/admin/costs/")
    page.get_by_label("Period (UTC)").select_option("today")
    page.get_by_role("button", name="Apply").click()
    expect(page).to_have_url(re.compile(r"range=today"))
    expect(page.get_by_label("Period (UTC)")).to_have_value("today")
    rooms = page.get_by_role("region", name="By room")
    rooms.get_by_role("link", name=re.compile("^2 calls of Harbour board")).click()
    rows = page.locator("#result_list tbody tr")
    expect(rows).to_have_count(2)
    rows.first.get_by_role("link").first.click()
    page.locator(f'a[href*="/chat_sessions/turn/{session.turns.get().pk}/"]').first.click()
    expect(page).to_have_url(re.compile(rf"/admin/chat_sessions/turn/{session.turns.get().pk}/"))
    expect(page.locator("#content")).to_contain_text("ana")
    page.goto("/admin/ledger-audit/")
    page.get_by_label("Period (UTC)").select_option("today")
    page.get_by_role("button", name="Audit").click()
    expect(page.get_by_role("status")).to_have_text(re.compile(r"All \d+ checks\s+passed"))


def test_a_summary_leads_far_back_and_is_copied(
    alices: Page, session: ChatSession, openai_model: LlmModel
) -> None:
    add_turns(session, openai_model, 120)
    fact = {"text": "Rent is 900.", "message_seq": 6, "pinned": False}
    Summary.objects.create(session=session, from_seq=1, through_seq=240, text="A bakery.", key_facts=[fact])
    open_session(alices, session)
    expect(alices.get_by_text("Question 120.")).to_be_in_viewport()
    panel = open_summary(alices)
    panel.get_by_role("button", name="Copy as Markdown").click()
    expect(panel.get_by_role("button", name="Copied")).to_be_visible()
    copied = alices.evaluate("navigator.clipboard.readText()")
    assert copied == "# Summary\n\nA bakery.\n\n## Facts\n\n- Rent is 900. (#6)\n"
    said = Message.objects.get(session=session, seq=6)
    expect(alices.locator(f"#message-{said.pk}")).to_have_count(0)
    panel.get_by_role("link", name="Go to message 6").click()
    expect(alices.locator(f"#message-{said.pk}")).to_be_in_viewport()
    expect(alices.locator(f"#message-{said.pk}")).to_contain_text("Answer 3.")
    alices.get_by_role("link", name="Jump to latest").click()
    expect(alices.get_by_text("Question 120.")).to_be_in_viewport()
