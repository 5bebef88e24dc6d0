"""Every page, in light and in dark, at a desk and at 360 px: axe finds nothing serious, nothing sticks out.

`TEST_SCREENSHOTS=directory` keeps a picture of each.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.contrib.auth.tokens import default_token_generator
from django.db import transaction
from playwright.sync_api import Page, expect

from accounts.invitations import invitation_create
from accounts.models import User
from accounts.services import setup_link_issue, token_create
from billing.tests.budgets import make_budget, spend
from orchestration.models import LlmModel
from orchestration.tests.providers import Answer, OpenAIServer
from sessions.models import ChatSession, Room
from sessions.services.agents import agent_delete
from sessions.services.chats import session_delete
from sessions.services.rooms import room_delete
from sessions.tests.browser.steps import Opened, address_of, ended, open_session, send, sign_in
from sessions.tests.browser.watching import Watch
from sessions.tests.councils import ROUTE, SYNTHESIZE, decision, says
from sessions.tests.factories import make_agent, make_room, make_session
from sessions.tests.server_process import ServerProcess

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("nobody_runs")]

DESK, PHONE = {"width": 1280, "height": 860}, {"width": 360, "height": 740}
AXE = {"resultTypes": ["violations"], "preload": False}
"""Without the rule that would copy style sheets into the page, which the Content-Security-Policy refuses."""
Scheme = Literal["light", "dark"]
SCHEMES: list[Scheme] = ["light", "dark"]
ANSWER = (
    "## Rent\n\nThe rent is **USD 900**, see [the offer](https://example.com).\n\n"
    "| month | rent |\n|---|---:|\n| 1 | 900 |\n| 2 | 900 |\n\n"
    "```python\ndef rent(months: int) -> int:\n    return 900 * months  # whatever comes\n```\n\n> quoted `code`\n"
)
SUMMARY = (
    '{"summary_text": "Talk of a bakery.", "key_facts": [{"text": "Rent is 900.", "message_seq": 2}], '
    '"decisions": [{"text": "Open in May.", "message_seq": 3}], "open_questions": [], "action_items": []}'
)


class Look:
    """Looks at pages in one scheme, and keeps what is wrong with them."""

    def __init__(self, page: Page, scheme: Scheme) -> None:
        self.page = page
        self.scheme = scheme
        self.wrong: list[str] = []

    def at(self, path: str) -> None:
        self.page.goto(path)
        self.here(path.split("?")[0])

    def here(self, name: str) -> None:
        """Look at the page as it is, in both widths."""
        for viewport in (DESK, PHONE):
            self.page.set_viewport_size(viewport)  # type: ignore[arg-type]
            if viewport is DESK or self.scheme == "light":  # a narrow page has the colours of a wide one
                self._axe(f"{name} {viewport['width']}")
            self._picture(f"{name} {viewport['width']}")
        wide = self.page.evaluate("document.documentElement.scrollWidth")
        # The tables of Django's own administration scroll as a whole.
        if wide > PHONE["width"] and not name.startswith("/admin/"):
            self.wrong.append(f"{name}: {wide} px wide at 360")
        self.page.set_viewport_size(DESK)  # type: ignore[arg-type]

    def _axe(self, name: str) -> None:
        found = Axe().run(self.page, options=AXE).response["violations"]
        for violation in found:
            if violation["impact"] in ("serious", "critical"):
                places = "; ".join(
                    f"{node['target']} {node['failureSummary']}" for node in violation["nodes"][:4]
                )
                self.wrong.append(f"{name}: {violation['id']}: {places}")

    def _picture(self, name: str) -> None:
        if directory := os.environ.get("TEST_SCREENSHOTS"):
            path = Path(directory) / f"{name.strip('/').replace('/', '-')} {self.scheme}.png"
            self.page.screenshot(path=path, full_page=True)


@pytest.fixture(params=SCHEMES)
def scheme(request: pytest.FixtureRequest) -> Scheme:
    chosen: Scheme = request.param
    return chosen


@pytest.fixture
def look_as(open_context: Opened, server: ServerProcess, scheme: Scheme) -> Callable[..., Look]:
    """Return eyes: of nobody, or of somebody who is signed in."""

    def look(user: User | None = None) -> Look:
        context = open_context(color_scheme=scheme, viewport=DESK)
        if user is not None:
            sign_in(context, address_of(server), user)
        return Look(context.new_page(), scheme)

    return look


@pytest.fixture
def root(openai_model: LlmModel) -> User:
    return User.objects.create_superuser("root@example.com", name="Root")


@pytest.fixture
def council(root: User, openai_model: LlmModel, openai_server: OpenAIServer) -> ChatSession:
    agents = [make_agent(root, key, openai_model) for key in ("ana", "bob")]
    openai_server.when(ROUTE, Answer(decision(("ana", "Mind the rent."), ("bob", "Mind the time."))))
    openai_server.when(says("ana"), Answer(ANSWER), Answer(status=500), always=True)
    openai_server.when(says("bob"), Answer("It is quick."), always=True)
    openai_server.when(SYNTHESIZE, Answer("All **together**."))
    openai_server.default = Answer(SUMMARY)
    room = make_room(root, *agents, name="Harbour board", goal="Decide well.", mode="orchestrator")
    return make_session(root, room)


def test_pages_before_signing_in(look_as: Any, root: User, alice: User, watch: Watch) -> None:
    with transaction.atomic():
        _, invitation = invitation_create(email="dora@example.org", team=None, actor=root, base_url="")
    look = look_as()
    for path in ("/sign-in", "/forgot-password", invitation):
        look.at(path)
    look.at(f"/reset-password/{alice.pk}/{default_token_generator.make_token(alice)}")
    watch.expect(404)
    look.at("/nowhere")
    assert not look.wrong, "\n".join(look.wrong)


def test_the_set_up(look_as: Any) -> None:
    look = look_as()
    look.at(f"/setup/{setup_link_issue()}")
    assert not look.wrong, "\n".join(look.wrong)


def test_a_conversation(look_as: Any, root: User, council: ChatSession, watch: Watch) -> None:
    look = look_as(root)
    page = look.page
    open_session(page, council)
    look.here("session empty")
    page.get_by_label("Message", exact=True).press_sequentially("Shall we? @")
    expect(page.get_by_role("option").first).to_be_visible()
    look.here("session tags")
    page.get_by_label("Message", exact=True).fill("Shall we? @ana")
    page.get_by_role("button", name="Only @ana").click()
    look.here("session only")
    send(page, "Shall we?")
    ended(page)
    page.get_by_role("button", name="Summarize now").click()
    expect(page.locator("[data-summary-panel]").get_by_role("listitem").first).to_be_visible()
    page.reload()
    page.locator("[data-steps] summary").first.click()
    page.get_by_text("Receipt").first.click()
    page.get_by_role("button", name="Edit", exact=True).first.click()
    expect(page.get_by_label("Your message")).to_be_visible()
    page.get_by_role("button", name="Regenerate with…", exact=True).click()
    expect(page.locator(".model-row").first).to_be_visible()
    look.here("session")
    Room.objects.update(mode="manual")
    page.reload()
    watch.expect(422)
    send(page, "nobody")
    expect(page.get_by_role("alert")).to_be_visible()
    look.here("session refused")
    send(page, "@all again")
    ended(page)
    expect(page.get_by_role("button", name="Try again").first).to_be_visible()
    look.here("session failed")
    page.goto("/search?q=rent")
    expect(page.locator("mark").first).to_be_visible()
    look.here("search found")
    assert not look.wrong, "\n".join(look.wrong)


def test_ones_own_pages(look_as: Any, root: User, council: ChatSession, openai_model: LlmModel) -> None:
    token_create(user=root, name="laptop")
    look = look_as(root)
    look.at("/")
    look.at("/search")
    look.at("/search?q=harbour")
    room, agent = council.room, make_agent(root, "cy", openai_model)
    assert room is not None
    for path in (f"/rooms/{room.pk}/edit", "/rooms/new", f"/agents/{agent.pk}", "/agents/new", "/welcome"):
        look.at(path)
    look.at(f"/rooms/{make_room(root, agent).pk}")
    look.at("/account")
    page = look.page
    page.locator("#tokens").get_by_label("Name").fill("reports")
    page.get_by_role("button", name="Make a token").click()
    expect(page.locator("[data-secret]")).to_be_visible()
    page.get_by_role("button", name="Change the password").evaluate("button => button.form.noValidate = true")
    look.here("account token")
    page.get_by_role("button", name="Change the password").click()
    expect(page.locator(".field-errors").first).to_be_visible()
    look.here("account refused")
    spend(make_budget("user", root, usd=1, hard=True), 90)
    look.at("/usage")
    agent_delete(agent=agent)
    session_delete(session=council)
    room_delete(room=room)
    page.goto(f"/agents/{make_agent(root, 'dan').pk}")
    page.locator("summary", has_text="Delete this agent").click()
    page.get_by_role("button", name="Delete this agent").click()
    look.here("home undo")
    page.locator("summary", has_text="Root").click()
    look.here("home menu")
    look.at("/deleted")
    assert not look.wrong, "\n".join(look.wrong)


def test_the_administration(look_as: Any, root: User, council: ChatSession, alice: User) -> None:
    make_budget(usd=10)
    look = look_as(root)
    open_session(look.page, council)
    send(look.page, "Shall we?")
    ended(look.page)
    turn = council.turns.get()
    for path in (
        "/admin/",
        "/admin/costs/",
        "/admin/costs/teams/",
        "/admin/ledger-audit/",
        "/admin/billing/modelprice/current/",
        "/admin/billing/budget/add/",
        "/admin/chat_sessions/turn/",
        f"/admin/chat_sessions/turn/{turn.pk}/change/",
        "/admin/accounts/user/",
        f"/admin/accounts/user/{alice.pk}/change/",
    ):
        look.at(path)
    look.page.get_by_role("button", name="Link for a new password").click()
    look.here("/admin/password-link")
    assert not look.wrong, "\n".join(look.wrong)
