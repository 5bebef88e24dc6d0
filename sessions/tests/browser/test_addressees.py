"""Recipients: kept from the last message, replaced by mentions, and one agent alone in a council."""

from __future__ import annotations

import re
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from accounts.models import User
from orchestration.engine.tags import EVERYBODY, parse_tags
from orchestration.models import LlmModel
from orchestration.tests.providers import OpenAIServer
from sessions.models import ChatSession, Message, Turn
from sessions.tests.browser.steps import ended, lane, open_session, send, turn
from sessions.tests.browser.watching import Watch
from sessions.tests.factories import make_agent, make_room, make_session

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("nobody_runs")]

KEYS = ("ana", "bob", "cy")


@pytest.fixture
def agents(alice: User, openai_model: LlmModel) -> list[Any]:
    return [make_agent(alice, key, openai_model) for key in KEYS]


def council(alice: User, agents: list[Any], **fields: Any) -> ChatSession:
    return make_session(alice, make_room(alice, *agents, **{"goal": "Decide well.", **fields}))


def addressees(page: Page) -> Any:
    return page.get_by_role("group", name="Recipients, unless the message has @mentions").get_by_role(
        "button"
    )


def said(number: int) -> str:
    return Message.objects.get(turn__index=number, role="user").text


def answered(page: Page, count: int) -> None:
    """Wait until so many turns are there and the last has ended."""
    expect(page.locator("[data-turn]")).to_have_count(count)
    ended(page)


def test_the_first_question_asks_everyone(
    alices: Page, alice: User, agents, openai_server: OpenAIServer
) -> None:
    open_session(alices, council(alice, agents))
    expect(addressees(alices)).to_have_text(["Everyone×"])
    expect(alices.get_by_role("group", name="Mention an agent").get_by_role("button")).to_have_text(
        ["@ana", "@bob", "@cy"]
    )
    expect(alices.get_by_placeholder("Message everyone")).to_be_visible()
    send(alices, "what now?")
    answered(alices, 1)
    assert said(1) == "@all what now?"
    expect(turn(alices).locator("[data-step]")).to_have_count(3)
    expect(alices.get_by_role("heading", level=1)).to_have_text("what now?")
    expect(addressees(alices)).to_have_text(["Everyone×"])


def test_removing_everyone_survives_a_reload(alices: Page, alice: User, agents) -> None:
    open_session(alices, council(alice, agents))
    alices.get_by_role("button", name="Remove Everyone").click()
    expect(addressees(alices)).to_have_count(0)
    alices.reload()
    expect(alices.get_by_placeholder("Type @ to choose who answers")).to_be_visible()
    expect(addressees(alices)).to_have_count(0)


def test_who_was_asked_stays_asked(alices: Page, alice: User, agents, openai_server: OpenAIServer) -> None:
    open_session(alices, council(alice, agents))
    send(alices, "@bob @ana what now?")
    answered(alices, 1)
    expect(addressees(alices)).to_have_text(["@bob×", "@ana×"])
    send(alices, "and the second point?")
    answered(alices, 2)
    expect(turn(alices).locator("[data-question]")).to_have_text("@bob @ana and the second point?")
    expect(lane(alices, "ana")).to_have_attribute("data-state", "complete")
    expect(lane(alices, "bob")).to_have_attribute("data-state", "complete")
    assert said(2) == "@bob @ana and the second point?"
    alices.reload()
    expect(addressees(alices)).to_have_text(["@bob×", "@ana×"])


def test_tags_in_the_text_win(alices: Page, alice: User, agents, openai_server: OpenAIServer) -> None:
    open_session(alices, council(alice, agents))
    send(alices, "@bob what now?")
    answered(alices, 1)
    box = alices.get_by_label("Message", exact=True)
    box.fill("so ")
    alices.get_by_role("group", name="Mention an agent").get_by_role("button", name="@cy").click()
    expect(box).to_have_value("so @cy ")
    expect(alices.get_by_text("Recipients come from your @mentions.")).to_be_visible()
    expect(alices.get_by_role("button", name="Remove @bob")).to_be_hidden()
    expect(
        alices.get_by_role("group", name="Mention an agent").get_by_role("button", name="@bob")
    ).to_be_visible()
    box.press("Enter")
    answered(alices, 2)
    assert said(2) == "so @cy "
    expect(lane(alices, "bob")).to_have_count(0)
    expect(addressees(alices)).to_have_text(["@cy×"])
    send(alices, "@all then")
    answered(alices, 3)
    expect(addressees(alices)).to_have_text(["Everyone×"])
    send(alices, "again")
    answered(alices, 4)
    assert said(4) == "@all again"
    expect(turn(alices).locator("[data-step]")).to_have_count(3)


def test_each_is_removed_by_click_and_by_key(
    alices: Page, alice: User, agents, openai_server: OpenAIServer, watch: Watch
) -> None:
    open_session(alices, council(alice, agents))
    send(alices, "@ana @bob @cy what now?")
    answered(alices, 1)
    box = alices.get_by_label("Message", exact=True)
    alices.get_by_role("button", name="Remove @ana").click()
    expect(addressees(alices)).to_have_text(["@bob×", "@cy×"])
    expect(alices.get_by_role("button", name="Remove @bob")).to_be_focused()
    # Sentences of the same moment are told together: what the turn had to say may stand before it.
    expect(alices.locator("[data-announcer]")).to_have_text(re.compile(r"@ana is no longer asked\.$"))
    expect(alices.get_by_role("group", name="Mention an agent").get_by_role("button")).to_have_text(
        ["@ana", "@all"]
    )
    box.press_sequentially("x")
    box.press("Backspace")  # of what was written
    expect(addressees(alices)).to_have_count(2)
    box.press("Backspace")
    expect(addressees(alices)).to_have_text(["@bob×"])
    alices.get_by_role("button", name="Remove @bob").press("Enter")
    expect(addressees(alices)).to_have_count(0)
    expect(box).to_be_focused()
    alices.reload()
    expect(box).to_be_focused()
    expect(addressees(alices)).to_have_count(0)  # the choice survives
    watch.expect(422)
    send(alices, "and now?")
    expect(alices.get_by_role("alert")).to_contain_text("Who should answer?")
    # The agents are offered once, below it.
    expect(alices.get_by_role("alert").get_by_role("button")).to_have_count(0)
    expect(alices.get_by_role("group", name="Mention an agent").get_by_role("button")).to_have_count(4)


def test_the_price_counts_them(alices: Page, alice: User, agents, openai_server: OpenAIServer) -> None:
    open_session(alices, council(alice, agents))
    send(alices, "@ana @bob what now?")
    answered(alices, 1)
    price = alices.locator("[data-estimate]")
    alices.get_by_label("Message", exact=True).press_sequentially("and the second point?")
    expect(price).to_contain_text("2 calls")
    alices.get_by_role("button", name="Remove @ana").click()
    expect(price).to_contain_text("1 call as a rule")
    alices.get_by_role("button", name="Remove @bob").click()
    expect(price).to_be_empty()


def test_in_a_council_one_alone_can_be_asked(
    alices: Page, alice: User, agents, openai_server: OpenAIServer
) -> None:
    session = council(alice, agents, mode="roundtable")
    open_session(alices, session)
    box, only = alices.get_by_label("Message", exact=True), alices.locator("[data-only]")
    price = alices.locator("[data-estimate]")
    expect(only).to_be_hidden()
    box.press_sequentially("quickly, @bob: why?")
    expect(only).to_have_text("Only @bob")
    expect(price).to_contain_text("3 calls")
    only.click()
    expect(only).to_have_attribute("aria-pressed", "true")
    expect(price).to_contain_text("1 call as a rule")
    box.press("Enter")
    answered(alices, 1)
    expect(turn(alices).locator("[data-step]")).to_have_count(1)
    expect(lane(alices, "bob")).to_have_attribute("data-state", "complete")
    expect(only).to_be_hidden()
    assert Turn.objects.get().mode == "manual"
    send(alices, "@bob first")  # this once
    answered(alices, 2)
    expect(turn(alices).locator("[data-step]")).to_have_count(3)
    assert Turn.objects.get(index=2).mode == "roundtable"


def test_the_toggle_goes_with_the_tags(alices: Page, alice: User, agents) -> None:
    open_session(alices, council(alice, agents, mode="orchestrator"))
    box, only = alices.get_by_label("Message", exact=True), alices.locator("[data-only]")
    box.fill("@ana and @cy")
    expect(only).to_have_text("Only @ana and @cy")
    only.press("Space")
    expect(only).to_have_attribute("aria-pressed", "true")
    box.fill("nobody")
    expect(only).to_be_hidden()
    box.fill("@ana")
    expect(only).to_have_attribute("aria-pressed", "false")
    box.fill("@all")
    expect(only).to_be_hidden()


TEXTS = (
    *("@ana", "so @Bob, @CY_ and @bob again", "me@ana.example @ana@bob @@cy", "@all-", "`@ana` @bob"),
    *(
        "```\n@ana\n```\n@cy",
        "```\n@ana",
        "~~~ @bob ~~~ @ana",
        "é@ana (@bob) @anaé",
        "@ana-2 @ana-- @anab",
        "",
    ),
    *("请@ana回答", "こんにちは@bob さん", "@cyさん", "＠ana 你好 me＠bob.example", "@ana＠bob"),
    *(f"{chr(point)}@ana" for point in range(0x3400) if chr(point) != "`"),
    *(f"{chr(point)}@ana" for point in range(0xAC00, 0xD7FF, 97)),
    *(f"@ana{chr(point)}" for point in range(0xFF00, 0x10100)),
)


def test_the_browser_reads_tags_as_the_server_does(alices: Page, alice: User, agents) -> None:
    open_session(alices, council(alice, agents))
    source = alices.evaluate("performance.getEntriesByType('resource').map((each) => each.name)")
    [module] = [address for address in source if re.search(r"/js/tags\.", address)]
    keys = [*KEYS, "ana-2"]
    read = alices.evaluate(
        """async ([module, texts, keys]) => {
            const { tagsIn } = await import(module);
            return texts.map((text) => tagsIn(text, keys));
        }""",
        [module, TEXTS, keys],
    )
    for text, tags in zip(TEXTS, read, strict=True):
        assert tags == list(parse_tags(text, [*keys, EVERYBODY]).keys), text


def test_the_list_opens_within_scripts_without_spaces(alices: Page, alice: User, agents) -> None:
    open_session(alices, council(alice, agents))
    box, offered = alices.get_by_label("Message", exact=True), alices.locator("[data-tag-list] code")
    for text in ("请@an", "こんにちは@an", "＠an"):
        box.fill(text)
        expect(offered).to_have_text(["@ana"])
        box.press("Enter")
        expect(box).to_have_value(f"{text}a ")
    box.fill("zoé@an")
    expect(offered).to_be_hidden()
