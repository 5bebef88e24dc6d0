"""The built-in demo model."""

from __future__ import annotations

import json
import time

import pytest

from orchestration.engine.ports import TextDelta
from orchestration.engine.specs import ChatMessage, Usage
from orchestration.gateway.gateway import Gateway
from orchestration.gateway.streaming import GatewayConfig
from orchestration.tests.gateway import ask, completed, request, spec, text_of

DEMO = spec("demo", key_env="", model_id="demo")
DECISION: dict[str, object] = {
    "type": "object",
    "properties": {
        "action": {"type": "string", "enum": ["route", "synthesize"]},
        "selections": {
            "type": "array",
            "items": {"type": "object", "properties": {"agent_key": {"enum": ["analyst", "lawyer", "poet"]}}},
        },
        "reason": {"type": "string"},
    },
}


async def test_it_speaks_for_its_agent_and_says_what_it_is(gateway: Gateway) -> None:
    asked = request(
        DEMO, "Should we move the archive?", speaker_name="Ada", speaker_role="Weigh risks. Be brief."
    )
    text = text_of(await ask(gateway, asked))
    assert "Ada" in text
    assert "demo" in text
    assert "not an AI" in text
    assert "> Should we move the archive?" in text
    assert "Weigh risks" in text
    assert "\n- " in text


async def test_the_members_of_the_first_council_speak_differently(gateway: Gateway) -> None:
    said = {}
    for name in ("Strategist", "Skeptic", "Builder"):
        text = text_of(await ask(gateway, request(DEMO, "Should we move the archive?", speaker_name=name)))
        said[name] = set(text.replace(name, "").splitlines())
    for name, lines in said.items():
        assert all(len(lines - others) > 2 for other, others in said.items() if other != name)


async def test_it_names_those_that_answered_before_it_in_this_turn(gateway: Gateway) -> None:
    first = text_of(await ask(gateway, request(DEMO, "Shall we?", question="Shall we?", speaker_name="Ada")))
    assert "heard" not in first
    said = f"Shall we?\n\n[Old (@old)]: Long ago.\n\nShall we?\n\n[Ada (@ada)]: {first}\n\n"
    said += "[Bob *B* (@bob)]: <b>Not</b> [now](https://example.com): " + "wait " * 40
    asked = request(DEMO, said, question="Shall we?", speaker_name="Cleo")
    events = await ask(gateway, asked)
    text = text_of(events)
    point = first.split("\n- ")[1].splitlines()[0].replace("**", "")
    assert f"Before me I heard Ada (“{point}”) and Bob B (“b Not b now" in text
    assert "…”). I add to that." in text
    assert "Old" not in text
    assert "example.com)" not in text
    assert completed(events).report.usage.output == -(-len(text) // 4)
    last_turn = request(DEMO, "[Ada (@ada)]: Yes.\n\nAnd now?", question="And now?", speaker_name="Cleo")
    assert "heard" not in text_of(await ask(gateway, last_turn))


async def test_the_same_request_gets_the_same_words(gateway: Gateway) -> None:
    assert await ask(gateway, request(DEMO)) == await ask(gateway, request(DEMO))


async def test_code_for_questions_about_code(gateway: Gateway) -> None:
    asked = request(DEMO, "Write a function", speaker_name="Ada Lovelace")
    assert "```python\ndef ada_lovelace(" in text_of(await ask(gateway, asked))


async def test_usage_is_reported(gateway: Gateway) -> None:
    events = await ask(gateway, request(DEMO, "x" * 10, system="y" * 10))
    end = completed(events)
    assert end.report.usage == Usage(input=5, output=-(-len(text_of(events)) // 4))
    assert (end.report.source, end.finish_reason) == ("provider", "stop")


async def test_it_keeps_to_the_limit(gateway: Gateway) -> None:
    events = await ask(gateway, request(DEMO, max_output_tokens=10))
    assert completed(events).finish_reason == "length"
    assert completed(events).report.usage.output == 10
    assert len(text_of(events)) == 40


async def test_the_managers_contract(gateway: Gateway) -> None:
    routed = json.loads(text_of(await ask(gateway, request(DEMO, purpose="route", json_schema=DECISION))))
    assert routed["action"] == "route"
    assert [selection["agent_key"] for selection in routed["selections"]] == ["analyst", "lawyer"]
    assert all(selection["instruction"] for selection in routed["selections"])
    evaluated = json.loads(
        text_of(await ask(gateway, request(DEMO, purpose="evaluate", json_schema=DECISION)))
    )
    assert (evaluated["action"], evaluated["selections"]) == ("synthesize", [])
    blind = json.loads(text_of(await ask(gateway, request(DEMO, purpose="route"))))
    assert blind["action"] == "synthesize"


async def test_the_summarizers_contract(gateway: Gateway) -> None:
    asked = request(DEMO, "3 Ada: we decided to move.\n4 Bob: agreed.", purpose="summarize")
    summary = json.loads(text_of(await ask(gateway, asked)))
    assert list(summary) == ["summary_text", "key_facts", "decisions", "open_questions", "action_items"]
    assert summary["key_facts"][0]["message_seq"] == 4
    plain = json.loads(text_of(await ask(gateway, request(DEMO, "no numbers", purpose="summarize"))))
    assert plain["key_facts"] == []


@pytest.mark.parametrize("purpose", ["reply", "synthesize"])
async def test_a_request_without_a_user_message(gateway: Gateway, purpose: str) -> None:
    asked = request(DEMO, messages=(ChatMessage("assistant", "hm"),), purpose=purpose)
    assert text_of(await ask(gateway, asked))


async def test_it_streams_at_its_pace() -> None:
    began_s = time.monotonic()
    events = await ask(Gateway(GatewayConfig(demo_words_per_s=500)), request(DEMO))
    words = [event for event in events if isinstance(event, TextDelta)]
    assert time.monotonic() - began_s >= len(words) / 500
    assert len(words) > 20
