"""No text of a model runs, loads, redirects, covers or breaks anything on the page: while it streams, and later."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from django.conf import settings
from playwright.sync_api import Dialog, Page, expect

from accounts.models import User
from orchestration.models import LlmModel
from orchestration.tests.providers import Answer, Gate, Hold, OpenAIServer
from sessions.models import Call, ChatSession, Message
from sessions.rendering.markdown import visible_text
from sessions.selectors.search import search
from sessions.selectors.search_results import results_json
from sessions.services.chats import session_rename
from sessions.tests.browser.hostile_texts import (
    BROKEN,
    HUGE,
    INVISIBLE,
    INVISIBLE_SHOWN,
    LINKS,
    LITERAL,
    SCRIPTS,
    in_pieces,
)
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
from sessions.tests.factories import make_agent, make_room, make_session
from sessions.tests.support.councils import ROUTE, SYNTHESIZE, decision, says
from sessions.tests.support.server_process import ServerProcess

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("nobody_runs")]

DESK, PHONE = {"width": 1280, "height": 860}, {"width": 360, "height": 740}
TAG = '<img src=x onerror="pwned(90)">'
KEY = "sk-proj-abcdefghijklmnopqrstuvwx0123456789"

PROBE = """
globalThis.pwned = (what) => console.error(`a text of a model ran: ${what}`);
for (const name of ["alert", "confirm", "prompt", "open", "print"]) globalThis[name] = globalThis.pwned;
"""

FOREIGN_PARTS = """(root) => {
  const known = new Set([
    "A", "BLOCKQUOTE", "BR", "BUTTON", "CODE", "DIV", "EM", "H3", "H4", "H5", "H6", "HR", "LI", "OL", "P", "PRE", "S",
    "SPAN", "STRONG", "TABLE", "TBODY", "TD", "TH", "THEAD", "TR", "UL",
  ]);
  const named = new Set(["href", "title", "rel", "class", "tabindex", "start", "type", "dir"]);
  const wrong = [];
  for (const element of root.querySelectorAll("[data-text] *")) {
    if (!known.has(element.tagName)) wrong.push(element.tagName);
    for (const { name } of element.attributes) if (!named.has(name)) wrong.push(`${element.tagName} ${name}`);
    const { tagName, protocol, href } = element;
    if (tagName === "A" && !["http:", "https:", "mailto:"].includes(protocol)) wrong.push(href);
  }
  return wrong;
}"""


class Eavesdropper:
    """Sees what a page asks of anybody, where it goes, and what it pops up."""

    def __init__(self, page: Page, origin: str) -> None:
        self.page = page
        self.origin = origin
        self.wrong: list[str] = []
        page.on("request", lambda request: self._asked(request.url))
        page.on("popup", lambda popup: self.wrong.append(f"popup {popup.url}"))
        page.on("dialog", self._popped_up)
        page.on("frameattached", lambda frame: self.wrong.append(f"frame {frame.url}"))
        page.on("download", lambda download: self.wrong.append(f"download {download.url}"))

    def _popped_up(self, dialog: Dialog) -> None:
        self.wrong.append(f"dialog {dialog.message}")
        dialog.dismiss()

    def _asked(self, url: str) -> None:
        if "{0.scheme}://{0.netloc}".format(urlsplit(url)) != self.origin:
            self.wrong.append(f"request to {url}")

    def check(self, path: str) -> None:
        """Nothing was asked of others, the page is where it was, and nothing sticks out of it at any width."""
        for size in (PHONE, DESK):
            self.page.set_viewport_size(size)  # type: ignore[arg-type]
            wide = self.page.evaluate("document.documentElement.scrollWidth - innerWidth")
            assert wide <= 0, f"the page is {wide} px wider than its window of {size['width']} px"
            assert self.page.locator("[data-message]").bounding_box(), "the composer is there"
        assert self.page.evaluate(FOREIGN_PARTS, self.page.locator("body").element_handle()) == []
        assert urlsplit(self.page.url).path == path
        assert not self.wrong, "\n".join(self.wrong)


@pytest.fixture
def session(alice: User, openai_model: LlmModel) -> ChatSession:
    agents = [make_agent(alice, key, openai_model) for key in ("ana", "bob")]
    return make_session(alice, make_room(alice, *agents, goal="Decide well."))


@pytest.fixture
def ears(alices: Page, server: ServerProcess) -> Eavesdropper:
    alices.add_init_script(PROBE)
    return Eavesdropper(alices, address_of(server))


@pytest.fixture
def gate() -> Iterator[Gate]:
    """Where an answer stands just before its end; no test leaves it there."""
    gate = Gate()
    yield gate
    gate.open()


def path_of(session: ChatSession) -> str:
    return f"/sessions/{session.pk}"


def works(page: Page, openai_server: OpenAIServer) -> None:
    """What stands beside a hostile answer does what it is for: a message is sent, answered, copied and asked again."""
    openai_server.when(says("bob"), Answer("```text\nAll well.\n```"), always=True)
    send(page, "@bob and you?")
    ended(page)
    expect(text_of_lane(page, "bob").locator("code")).to_have_text("All well.")
    text_of_lane(page, "bob").get_by_role("button", name="Copy", exact=True).click()
    expect(text_of_lane(page, "bob").get_by_role("button", name="Copied")).to_be_visible()
    assert page.evaluate("navigator.clipboard.readText()").strip() == "All well."
    retry(page, "bob")
    expect(turn(page)).to_contain_text("version 2/2")
    ended(page)


def read_hostile(
    page: Page, session: ChatSession, ears: Eavesdropper, openai_server: OpenAIServer, gate: Gate, text: str
) -> tuple[str, str]:
    """Let Ana say it; look while it streams, when it is whole, and after a reload. Return what is read."""
    pieces = [*in_pieces(text, max(3, len(text) // 400)), "\n\nSo far."]
    openai_server.when(says("ana"), Answer([*pieces, "\n\nEnd."], at={len(pieces): Hold(gate)}))
    open_session(page, session)
    send(page, "@ana speak")
    gate.wait_until_reached()
    expect(lane(page, "ana")).to_have_attribute("data-state", "answering")
    expect(text_of_lane(page, "ana")).to_contain_text("So far.")
    streamed = text_of_lane(page, "ana").inner_text()
    ears.check(path_of(session))
    gate.open()
    ended(page)
    expect(text_of_lane(page, "ana")).to_contain_text("End.")
    ears.check(path_of(session))
    works(page, openai_server)
    page.reload()
    stored = page.locator('[data-agent-key="ana"] [data-text]')
    expect(stored).to_contain_text("End.")
    ears.check(path_of(session))
    assert Message.objects.get(agent_key="ana").status == "complete"
    return streamed, stored.inner_text()


@pytest.mark.parametrize("name", LITERAL)
def test_html_is_text(
    name: str, alices: Page, session: ChatSession, ears: Eavesdropper, openai_server: OpenAIServer, gate: Gate
) -> None:
    lines = LITERAL[name].strip().splitlines()
    text = "\n\n".join(lines)
    for read in read_hostile(alices, session, ears, openai_server, gate, text):
        for line in lines:
            assert line in read


def test_links_lead_to_web_pages_alone_and_images_are_not_loaded(
    alices: Page, session: ChatSession, ears: Eavesdropper, openai_server: OpenAIServer, gate: Gate
) -> None:
    read_hostile(alices, session, ears, openai_server, gate, LINKS)
    links = alices.locator('[data-agent-key="ana"] [data-text] a')
    expect(links.filter(has_text="good").first).to_have_attribute("rel", "noopener noreferrer nofollow")
    expect(links.filter(has_text="pixel")).to_have_attribute(
        "href", "https://evil.example/pixel.png?q=secret"
    )  # who wants to see it may go there


def test_broken_markdown_breaks_nothing(
    alices: Page, session: ChatSession, ears: Eavesdropper, openai_server: OpenAIServer, gate: Gate
) -> None:
    _, stored = read_hostile(alices, session, ears, openai_server, gate, BROKEN)
    assert "left open <script>pwned(74)</script>" in stored


def test_what_hides_or_reorders_is_shown_while_it_streams_and_after(
    alices: Page, session: ChatSession, ears: Eavesdropper, openai_server: OpenAIServer, gate: Gate
) -> None:
    for read in read_hostile(alices, session, ears, openai_server, gate, INVISIBLE):
        assert INVISIBLE_SHOWN in read.replace("\ufffd", "")
        assert "if admin⟦U+202E⟧ ⟦U+2066⟧// check⟦U+2069⟧ ⟦U+2066⟧{" in read
        assert not {"\u202e", "\u2066", "\u200b", "\x00", "\x1b"} & set(read)


@pytest.mark.parametrize("name", HUGE)
def test_huge_answers_are_shown_and_the_page_keeps_working(
    name: str, alices: Page, session: ChatSession, ears: Eavesdropper, openai_server: OpenAIServer, gate: Gate
) -> None:
    text = HUGE[name]
    streamed, stored = read_hostile(alices, session, ears, openai_server, gate, text)
    assert len(streamed) > 0.9 * len(text.rstrip())
    for word in ("cell", "deep", "item 199", "let x = (1 + 2) <script>pwned(80)</script>", " end"):
        if word in text:
            assert word in stored


def test_pieces_are_shown_as_the_whole_is(alices: Page, session: ChatSession) -> None:
    open_session(alices, session)
    text = INVISIBLE.replace("\ud800", "") + "a\r\nb\rc\u200d\u200d👧\u200c\r"
    script = """async ([text, address]) => {
      const { VisibleStream, visibleText } = await import(address);
      const cut = (size) => {
        const stream = new VisibleStream();
        const pieces = text.match(new RegExp(`.{1,${size}}`, "gsu"));
        return pieces.map((piece) => stream.next(piece)).join("");
      };
      return [visibleText(text), cut(1), cut(2), cut(3), cut(7)];
    }"""
    whole, *cut = alices.evaluate(script, [text, "/static/js/visible-text.js"])
    assert whole == visible_text(text)
    assert set(cut) == {whole.rstrip("\n")}, "the line's end that came last still waits"


def test_a_hostile_council_is_shown_as_it_is_called(
    alices: Page,
    alice: User,
    openai_model: LlmModel,
    openai_server: OpenAIServer,
    ears: Eavesdropper,
    gate: Gate,
) -> None:
    agents = [
        make_agent(alice, key, openai_model, name=f"{key} {TAG}", role_prompt=f"You are {key}. {TAG}")
        for key in ("ana", "bob")
    ]
    room = make_room(alice, *agents, name=f"Board {TAG}", goal=f"Decide {TAG}.", mode="orchestrator")
    session = make_session(alice, room)
    session_rename(session=session, title=f"</title>{TAG}")
    chosen = decision(
        ("ana", f"Mind {TAG}\u202e"), ("bob", SCRIPTS[:900]), reason=f"Both {TAG}\u200b matter."
    )
    openai_server.when(ROUTE, Answer(chosen))
    openai_server.when("You are ana. ", Answer("Fine."))
    openai_server.when("You are bob. ", Answer("Well."))
    openai_server.when(SYNTHESIZE, Answer(["All ", TAG], at={1: Hold(gate)}))
    open_session(alices, session)
    send(alices, f"Shall we? {TAG}")
    card = turn(alices).locator("[data-routing]")
    for _ in range(2):  # as it streams, then as it is stored
        expect(card.get_by_role("heading")).to_have_text(f"Round 1: ana {TAG}, bob {TAG}")
        expect(card).to_contain_text(f"Both {TAG} matter.")
        expect(card).to_contain_text(f"@ana Mind {TAG}⟦U+202E⟧")
        expect(lane(alices, "ana").locator("[data-name]")).to_have_text(f"ana {TAG}")
        expect(turn(alices).locator("[data-question]")).to_have_text(f"Shall we? {TAG}")
        expect(alices.get_by_role("heading", level=1)).to_have_text(f"</title>{TAG}")
        expect(alices).to_have_title(f"</title>{TAG} · Pantheon")
        ears.check(path_of(session))
        gate.open()
        ended(alices)
        alices.reload()
        alices.locator("[data-steps-note]").click()
    expect(text_of_lane(alices, "")).to_have_text(f"All {TAG}")
    alices.get_by_label("Message", exact=True).press_sequentially("@a")
    expect(alices.get_by_role("option").first).to_contain_text(TAG)
    for path in (f"/agents/{agents[0].pk}", f"/rooms/{room.pk}/edit", "/search?q=Shall", "/"):
        alices.goto(path)
        expect(alices.get_by_text(TAG).or_(alices.locator("input")).first).to_be_attached()
    assert not ears.wrong, "\n".join(ears.wrong)
    found = search(alice, "Shall", after=None, limit=9)
    assert [result["snippet"] for result in results_json(found)] == [f"Shall we? {TAG}"], (
        "an API's text; who shows it escapes it"
    )


def test_a_hostile_summary_is_text(
    alices: Page, session: ChatSession, openai_server: OpenAIServer, ears: Eavesdropper
) -> None:
    item = {"text": f"Fact {TAG}\u202e", "message_seq": 2}
    lists = {
        "decisions": [item],
        "open_questions": [{"text": "x" * 600, "message_seq": None}],
        "action_items": [],
    }
    told = json.dumps({"summary_text": f"Talk </textarea>{TAG}", "key_facts": [item], **lists})
    openai_server.when(says("ana"), Answer("Rent is 900."))
    open_session(alices, session)
    send(alices, "@ana what is the rent?")
    ended(alices)
    openai_server.default = Answer(told)
    panel = open_summary(alices)
    panel.get_by_role("button", name="Summarize now").click()
    for _ in range(2):
        expect(panel.get_by_role("listitem").first).to_contain_text(f"Fact {TAG}⟦U+202E⟧")
        expect(panel.locator("[data-summary-text]")).to_contain_text(f"Talk </textarea>{TAG}")
        ears.check(path_of(session))
        alices.reload()
    panel.get_by_role("button", name="Copy as Markdown").click()
    expect(panel.get_by_role("button", name="Copied")).to_be_visible()
    assert f"- Fact {TAG}⟦U+202E⟧ (#2)" in alices.evaluate("navigator.clipboard.readText()")
    panel.get_by_role("listitem").first.get_by_role("button", name="Edit").click()
    expect(panel.get_by_role("textbox", name="Text")).to_have_value(f"Fact {TAG}\u202e")
    assert not ears.wrong, "\n".join(ears.wrong)


def test_what_a_provider_says_of_its_failure_stays_in_the_log(
    alices: Page, session: ChatSession, openai_server: OpenAIServer, ears: Eavesdropper, server: ServerProcess
) -> None:
    said = f"Incorrect key {KEY} {TAG} <script>pwned(91)</script>"
    openai_server.when(says("ana"), Answer(status=401, error_message=said))
    open_session(alices, session)
    send(alices, "@ana speak")
    ended(alices)
    for _ in range(2):
        expect(lane(alices, "ana")).to_have_attribute("data-state", "failed")
        expect(lane(alices, "ana").locator("[data-fault]")).to_contain_text("rejected the API key")
        assert KEY not in alices.content()
        ears.check(path_of(session))
        alices.reload()
    assert KEY not in json.dumps(Call.objects.get().error)
    assert KEY not in server.log()


def test_staff_read_it_as_text(
    open_context: Opened, data_dir: Path, alice: User, session: ChatSession, openai_server: OpenAIServer
) -> None:
    openai_server.when(says("ana"), Answer(SCRIPTS + INVISIBLE))
    staff = User.objects.create_superuser("root@example.com")
    with ServerProcess(
        data_dir,
        "",
        PANTHEON_DATA_DIR=str(data_dir),
        PANTHEON_SECRET_KEY=settings.SECRET_KEY,
        PANTHEON_STAFF_READ_MESSAGES="1",
    ) as server:
        context = open_context(base_url=address_of(server))
        sign_in(context, address_of(server), alice)
        page = context.new_page()
        page.add_init_script(PROBE)
        open_session(page, session)
        send(page, f"@ana speak {TAG}")
        ended(page)
        sign_in(context, address_of(server), staff)
        ears = Eavesdropper(page, address_of(server))
        page.goto(f"/admin/chat_sessions/turn/{session.turns.get().pk}/change/")
        page.get_by_role("link", name="View content").click()
        shown = page.locator(".reading-text")
        expect(shown.filter(has_text=f"@ana speak {TAG}")).to_be_visible()
        answer = shown.filter(has_text="<script>pwned(1)</script>")
        for line in SCRIPTS.strip().splitlines():
            expect(answer).to_contain_text(line)
        expect(answer).to_contain_text("over⟦U+202E⟧ride⟦U+202C⟧")
        for size in (PHONE, DESK):
            page.set_viewport_size(size)  # type: ignore[arg-type]
            assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
        assert not ears.wrong, "\n".join(ears.wrong)
        context.close()
