"""A conversation in each mode, as it streams: lanes, routing, synthesis, Stop, reloads and failures."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from accounts.models import User
from orchestration.models import LlmModel
from orchestration.tests.providers import Answer, Gate, Hold, OpenAIServer
from sessions.models import ChatSession, Message, Turn
from sessions.tests.browser.network import network
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
from sessions.tests.factories import make_agent, make_model, make_room, make_session
from sessions.tests.support.councils import ROUTE, SYNTHESIZE, decision, says
from sessions.tests.support.server_process import ServerProcess

pytestmark = [
    pytest.mark.both_runs,  # bin/run starts on SQLite, and here a page writes and reads while a turn runs
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("nobody_runs"),
]

KEYS = ("ana", "bob", "cy")


@pytest.fixture
def agents(alice: User, openai_model: LlmModel):
    return [make_agent(alice, key, openai_model) for key in KEYS]


def held(*pieces: str, after: int = 1) -> tuple[Answer, Gate]:
    """Return an answer that stops after some pieces until its gate is opened."""
    gate = Gate()
    return Answer(pieces, at={after: Hold(gate)}), gate


def council(alice: User, agents, **fields) -> ChatSession:
    return make_session(alice, make_room(alice, *agents, **{"goal": "Decide well.", **fields}))


def test_tagged_agents_answer_side_by_side(alices: Page, alice, agents, openai_server: OpenAIServer) -> None:
    gates = {}
    for key in ("ana", "bob"):
        answer, gates[key] = held(f"I am {key}, ", "and **done**.")
        openai_server.when(says(key), answer)
    open_session(alices, council(alice, agents))
    send(alices, "@ana @bob @zoe what now?")
    for key in ("ana", "bob"):
        expect(lane(alices, key)).to_have_attribute("data-state", "answering")
        expect(text_of_lane(alices, key)).to_have_text(f"I am {key},")
    boxes = [lane(alices, key).bounding_box() for key in ("ana", "bob")]
    assert len({box and box["y"] for box in boxes}) == 1, "they stand side by side"
    expect(alices.get_by_role("button", name="Stop")).to_be_visible()
    expect(alices.get_by_label("Message", exact=True)).to_have_value("")
    gates["bob"].open()
    expect(lane(alices, "bob")).to_have_attribute("data-state", "complete")
    expect(lane(alices, "ana")).to_have_attribute("data-state", "answering")
    gates["ana"].open()
    ended(alices)
    expect(text_of_lane(alices, "ana").locator("strong")).to_have_text("done")
    expect(turn(alices)).to_contain_text("No agent in this room is called @zoe.")
    expect(lane(alices, "cy")).to_have_count(0)
    expect(alices.locator("[data-total]")).to_have_text(re.compile(r"^\$0\.\d+$"))


def test_a_roundtable_answers_in_turn(alices: Page, alice, agents, openai_server: OpenAIServer) -> None:
    second, gate = held("Bob ", "hears Ana.")
    openai_server.when(says("ana"), Answer("Ana begins."))
    openai_server.when(says("bob"), second)
    openai_server.when(says("cy"), Answer("Cy ends."))
    open_session(alices, council(alice, agents, mode="roundtable"))
    send(alices, "Shall we?")
    expect(text_of_lane(alices, "bob")).to_have_text("Bob")
    expect(lane(alices, "ana")).to_have_attribute("data-state", "complete")
    expect(lane(alices, "cy")).to_have_count(0)
    gate.open()
    ended(alices)
    assert alices.locator("[data-step] [data-text]").all_inner_texts() == [
        "Ana begins.",
        "Bob hears Ana.",
        "Cy ends.",
    ]


def test_a_manager_routes_and_concludes(alices: Page, alice, agents, openai_server: OpenAIServer) -> None:
    synthesis, gate = held("All ", "together.")
    openai_server.when(
        ROUTE, Answer(decision(("bob", "Mind the cost."), ("cy", "Mind the time."), reason="Both matter."))
    )
    openai_server.when(says("bob"), Answer("It is cheap."))
    openai_server.when(says("cy"), Answer("It is quick."))
    openai_server.when(SYNTHESIZE, synthesis)
    open_session(alices, council(alice, agents, mode="orchestrator"))
    send(alices, "Shall we?")
    card = turn(alices).locator("[data-routing]")
    expect(card.get_by_role("heading")).to_have_text("Round 1: Bob, Cy")
    expect(card).to_contain_text("Both matter.")
    expect(card).to_contain_text("@bob Mind the cost.")
    expect(text_of_lane(alices, "")).to_have_text("All")
    gate.open()
    ended(alices)
    expect(text_of_lane(alices, "")).to_have_text("All together.")
    alices.reload()
    expect(text_of_lane(alices, "")).to_be_visible()
    expect(card).to_be_hidden()  # the steps are folded away under the synthesis
    alices.get_by_text("2 answers in 1 round").click()
    expect(text_of_lane(alices, "bob")).to_have_text("It is cheap.")


def test_stop_ends_the_turn_and_keeps_the_text(
    alices: Page, alice, agents, openai_server: OpenAIServer
) -> None:
    answer, _gate = held("One ", "two.")
    openai_server.when(says("ana"), answer)
    open_session(alices, council(alice, agents))
    send(alices, "@ana count")
    expect(text_of_lane(alices, "ana")).to_have_text("One")
    alices.get_by_role("button", name="Stop").click()
    ended(alices)
    expect(turn(alices)).to_have_attribute("data-status", "cancelled")
    expect(text_of_lane(alices, "ana")).to_have_text("One")
    expect(lane(alices, "ana")).to_contain_text("Stopped. The partial answer is kept and billed.")
    assert openai_server.served[0].wait().disconnected
    assert Message.objects.get(agent_key="ana").status == "cancelled"


def test_a_reload_in_mid_stream_says_no_word_twice(
    alices: Page, alice, agents, openai_server: OpenAIServer
) -> None:
    answer, gate = held("Alpha ", "beta ", "gamma.", after=2)
    openai_server.when(says("ana"), answer)
    open_session(alices, council(alice, agents))
    send(alices, "@ana speak")
    expect(text_of_lane(alices, "ana")).to_have_text("Alpha beta")
    alices.get_by_label("Message", exact=True).fill("and the second point?")
    alices.reload()
    expect(text_of_lane(alices, "ana")).to_have_text("Alpha beta")
    expect(alices.get_by_role("button", name="Stop")).to_be_visible()
    expect(alices.get_by_label("Message", exact=True)).to_have_value("and the second point?")
    gate.open()
    ended(alices)
    expect(text_of_lane(alices, "ana")).to_have_text("Alpha beta gamma.")
    assert len(openai_server.served) == 1


def test_tabs_of_one_browser_show_a_turn_at_once(
    alices: Page, alice, agents, openai_server: OpenAIServer
) -> None:
    session = council(alice, agents)
    answer, gate = held("Alpha ", "beta.")
    openai_server.when(says("ana"), answer, Answer("Anew."))
    other = alices.context.new_page()
    open_session(other, session)
    open_session(alices, session)
    send(alices, "@ana speak")
    expect(text_of_lane(other, "ana")).to_have_text("Alpha")
    expect(other.get_by_role("button", name="Stop")).to_be_visible()
    gate.open()
    for page in (alices, other):
        ended(page)
        expect(text_of_lane(page, "ana")).to_have_text("Alpha beta.")
    retry(other, "ana")
    for page in (alices, other):
        expect(text_of_lane(page, "ana")).to_have_text("Anew.")
        ended(page)
        expect(page.locator("[data-turn]")).to_have_count(1)
        expect(turn(page)).to_contain_text("version 2/2")
    assert len({page.locator(".conversation-total").inner_text() for page in (alices, other)}) == 1


def test_another_device_sees_the_same(
    open_context: Opened, server: ServerProcess, alices: Page, alice, agents, openai_server, watch: Watch
) -> None:
    session = council(alice, agents)
    answer, gate = held("Alpha ", "beta.")
    openai_server.when(says("ana"), answer, Answer("Two."), Answer("Three."), Answer("Four."))
    context = open_context()
    sign_in(context, address_of(server), alice)
    other = context.new_page()
    open_session(other, session)
    open_session(alices, session)
    send(alices, "@ana speak")
    expect(text_of_lane(alices, "ana")).to_have_text("Alpha")
    watch.expect(409)
    send(other, "@bob speak too")  # it does not know of the turn yet
    expect(other.get_by_role("alert")).to_contain_text("This session changed")
    other.get_by_role("button", name="Refresh").click()
    expect(text_of_lane(other, "ana")).to_have_text("Alpha")
    expect(other.get_by_label("Message", exact=True)).to_have_value("@bob speak too")
    gate.open()
    for page in (alices, other):
        ended(page)
        expect(text_of_lane(page, "ana")).to_have_text("Alpha beta.")
    for number in (2, 3):
        send(alices, "@ana go on")
        expect(alices.locator("[data-turn]")).to_have_count(number)
        ended(alices)
    retry(alices, "ana")
    expect(text_of_lane(alices, "ana")).to_have_text("Four.")
    ended(alices)
    expect(other.locator("[data-turn]")).to_have_count(1)
    other.evaluate("dispatchEvent(new Event('focus'))")
    expect(other.locator("[data-turn]")).to_have_count(3)
    expect(other.locator("[data-step] [data-text]")).to_have_text(["Alpha beta.", "Two.", "Four."])
    expect(other.get_by_label("Message", exact=True)).to_have_value("@bob speak too")
    assert len({page.locator(".conversation-total").inner_text() for page in (alices, other)}) == 1


def test_a_lost_network_is_shown_and_recovered_from(
    open_context: Opened, server: ServerProcess, alice, agents, openai_server: OpenAIServer, watch: Watch
) -> None:
    answer, gate = held("Alpha ", "beta ", "gamma.")
    openai_server.when(says("ana"), answer)
    watch.allow("net::ERR_")
    with network(server.port) as between:
        context = open_context(base_url=between.address)
        sign_in(context, between.address, alice)
        page = context.new_page()
        open_session(page, council(alice, agents))
        send(page, "@ana speak")
        expect(text_of_lane(page, "ana")).to_have_text("Alpha")
        between.cut()
        expect(page.get_by_text("Connection lost. Reconnecting…")).to_be_visible()
        gate.open()
        openai_server.served[0].wait()
        expect(text_of_lane(page, "ana")).to_have_text("Alpha")
        between.mend()
        ended(page)
        expect(text_of_lane(page, "ana")).to_have_text("Alpha beta gamma.")
        expect(page.get_by_text("Connection lost. Reconnecting…")).to_be_hidden()
        context.close()


def test_without_a_network_nothing_that_was_written_is_lost(
    alices: Page, alice, agents, openai_server: OpenAIServer, watch: Watch
) -> None:
    open_session(alices, council(alice, agents))
    watch.expect("ERR_INTERNET_DISCONNECTED")
    alices.context.set_offline(True)
    send(alices, "@ana speak")
    expect(alices.get_by_role("alert")).to_contain_text("The server can't be reached.")
    expect(alices.get_by_label("Message", exact=True)).to_have_value("@ana speak")
    alices.context.set_offline(False)
    alices.get_by_role("button", name="Send").click()
    ended(alices)
    assert Turn.objects.count() == len(openai_server.served) == 1


def test_a_summary_is_made_edited_and_pinned(
    alices: Page, alice, agents, openai_server: OpenAIServer
) -> None:
    told = (
        '{"summary_text": "Talk of a bakery.", "key_facts": [{"text": "Rent is 900.", "message_seq": 2}], '
        '"decisions": [], "open_questions": [], "action_items": []}'
    )
    openai_server.when(says("ana"), Answer("Rent is 900."))
    session = council(alice, agents)
    open_session(alices, session)
    send(alices, "@ana what is the rent?")
    ended(alices)
    openai_server.default = Answer(told)
    panel = open_summary(alices)
    panel.get_by_role("button", name="Summarize now").click()
    fact = panel.get_by_role("listitem")
    expect(fact).to_contain_text("Rent is 900.")
    fact.get_by_role("button", name="Edit").click()
    fact.get_by_label("Text").fill("Rent is 950 a month.")
    fact.get_by_role("button", name="Save").click()
    expect(fact).to_contain_text("Rent is 950 a month.")
    fact.get_by_role("button", name="Pin").click()
    expect(fact.get_by_role("button", name="Unpin")).to_be_visible()
    fact.get_by_role("link", name="Go to message 2").click()
    expect(lane(alices, "ana")).to_be_focused()
    panel.get_by_role("button", name="Copy as Markdown").click()
    expect(panel.get_by_role("button", name="Copied")).to_be_visible()
    assert "- Rent is 950 a month. (#2)" in alices.evaluate("navigator.clipboard.readText()")


def test_a_tag_is_completed_by_keyboard(alices: Page, alice, agents, openai_server: OpenAIServer) -> None:
    open_session(alices, council(alice, agents))
    box, offered = alices.get_by_label("Message", exact=True), alices.get_by_role("listbox", name="Agents")
    box.press_sequentially("me@example.com @")
    expect(offered.get_by_role("option")).to_have_text(["@ana Ana", "@bob Bob", "@cy Cy", "@all Everyone"])
    expect(offered.get_by_role("option", selected=True)).to_have_text("@ana Ana")
    box.press("ArrowUp")
    expect(offered.get_by_role("option", selected=True)).to_have_text("@all Everyone")
    box.press("ArrowDown")
    box.press("ArrowDown")
    box.press("Enter")
    expect(box).to_have_value("me@example.com @bob ")
    expect(offered).to_be_hidden()
    box.press_sequentially("and @C")
    expect(offered.get_by_role("option")).to_have_text(["@cy Cy"])
    box.press("Escape")
    expect(offered).to_be_hidden()
    expect(box).to_have_value("me@example.com @bob and @C")
    box.press("Backspace")
    box.press_sequentially("cy")  # whole: nothing is left to choose
    expect(offered).to_be_hidden()
    box.press("Enter")
    ended(alices)
    for key in ("bob", "cy"):
        expect(lane(alices, key)).to_have_attribute("data-state", "complete")


def test_the_cost_of_a_message_is_shown_beside_send(
    alices: Page, alice, agents, openai_server: OpenAIServer
) -> None:
    dan = make_agent(alice, "dan", make_model(openai_server, "unpriced-test", priced=False))
    asked: list[str] = []
    alices.on(
        "request", lambda request: asked.append(request.url) if request.url.endswith("/estimate") else None
    )
    open_session(alices, council(alice, [*agents, dan]))
    box, price = alices.get_by_label("Message", exact=True), alices.locator("[data-estimate]")
    button = alices.get_by_role("button", name="Send")
    before = button.bounding_box()
    box.press_sequentially("what now?")  # nobody is asked: nothing to say, and no error
    expect(price).to_be_empty()
    box.press_sequentially(" @ana")
    expect(price).to_have_text(re.compile(r"^usually \$0\.\d+, at most \$0\.\d+\. At least \$0\.\d+, 1 call"))
    expect(price).to_have_attribute("title", re.compile(r"^At least \$0"))
    one = price.inner_text()
    assert button.bounding_box() == before, "nothing moves"
    assert len(asked) == 1, "typing is waited for"
    box.press_sequentially(" @bob")
    expect(price).to_contain_text("2 calls")
    assert price.inner_text() != one
    box.press_sequentially(" @dan")
    expect(price).to_contain_text("unpriced")
    box.fill("")
    expect(price).to_be_empty()
