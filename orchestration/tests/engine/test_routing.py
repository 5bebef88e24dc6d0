import json
import logging
import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestration.engine.routing import (
    MAX_INSTRUCTION_CHARS,
    MAX_REASON_CHARS,
    RoutingDecision,
    Selection,
    fallback_decision,
    parse_decision,
    routing_schema,
)
from orchestration.tests.engine.support.world import RELAXED

KEYS = ["ana", "bob", "cy", "dee"]


def parse(data: object, most: int = 3) -> RoutingDecision | None:
    return parse_decision(data if isinstance(data, str) else json.dumps(data), KEYS, most=most)


def route(*selections: object, **fields: object) -> dict[str, Any]:
    return {"action": "route", "selections": list(selections), "reason": "So.", **fields}


ANA = {"agent_key": "ana", "instruction": "Count."}
BOB = {"agent_key": "bob", "instruction": "Weigh."}
ASKED = RoutingDecision("route", (Selection("ana", "Count."), Selection("bob", "Weigh.")), "So.")


def test_a_decision_is_read() -> None:
    assert parse(route(ANA, BOB)) == ASKED
    assert parse({"action": "synthesize", "selections": [], "reason": "Enough."}) == RoutingDecision(
        "synthesize", (), "Enough."
    )


@pytest.mark.parametrize(
    "wrapped",
    [
        "```json\n{}\n```",
        "```\n{}\n```",
        "```{}```",
        "\n\n  ```JSON\n\n{}\n\n```\n",
        "````json\n{}\n````",
        "~~~\n{}\n~~~",
        "  {}\n",
    ],
)
def test_a_code_fence_around_the_object_is_tolerated(wrapped: str) -> None:
    assert parse(wrapped.replace("{}", json.dumps(route(ANA, BOB), indent=2))) == ASKED


def test_unknown_agents_are_dropped_duplicates_count_once_and_three_are_kept() -> None:
    again = {"agent_key": "ana", "instruction": "Again."}
    others = [{"agent_key": key, "instruction": "x"} for key in ("zoe", "", "all", "cy", "dee")]
    decision = parse(route(ANA, again, BOB, *others))
    assert decision is not None
    assert [(s.agent_key, s.instruction) for s in decision.selections] == [
        ("ana", "Count."),
        ("bob", "Weigh."),
        ("cy", "x"),
    ]


@pytest.mark.parametrize("key", ["ana", "@ana", "ANA", " ana ", "@Ana"])
def test_a_key_is_known_however_it_is_written(key: str) -> None:
    decision = parse(route({"agent_key": key, "instruction": "Go."}))
    assert decision is not None
    assert decision.selections == (Selection("ana", "Go."),)


@pytest.mark.parametrize("instruction", [None, 5, [], {}, True, "  "])
def test_an_invalid_instruction_is_empty(instruction: object) -> None:
    decision = parse(route({"agent_key": "ana", "instruction": instruction}))
    assert decision is not None
    assert decision.selections == (Selection("ana", ""),)
    assert parse(route({"agent_key": "ana"})) == decision


def test_unknown_keys_are_ignored() -> None:
    assert parse(route({**ANA, "mood": 1}, BOB, plan=["x"], used_fallback=True)) == ASKED
    decision = parse({"action": "synthesize", "selections": [ANA]})
    assert decision == RoutingDecision("synthesize")


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "Ask Ana.",
        "null",
        "[]",
        "5",
        '"route"',
        "{",
        "{}",
        "```json\n```",
        "``````",
        "```",
        json.dumps(route()),
        json.dumps(route({"agent_key": "zoe", "instruction": "x"})),
        json.dumps({"action": "route"}),
        json.dumps({"action": "route", "selections": ANA}),
        json.dumps({"action": "route", "selections": "ana"}),
        json.dumps({"action": "route", "selections": ["ana"]}),
        json.dumps(route({"agent_key": ["ana"], "instruction": "x"}, None, 5, [])),
        json.dumps({"selections": [ANA]}),
        json.dumps({"action": "stop"}),
        json.dumps({"action": ["route"], "selections": [ANA]}),
        json.dumps(route(ANA))[:-1],
        "[" * 100_000,
        '{"action": ' * 50_000,
        '{"action": "route", "selections": [' * 20_000,
        "9" * 10_000,
        '{"action": ' + "9" * 10_000 + "}",
        "\ud800",
    ],
    ids=lambda text: repr(text[:40]),
)
def test_anything_else_is_not_a_decision(text: str) -> None:
    assert parse(text) is None


@pytest.mark.parametrize(
    "text",
    [
        "```\n" + "\n" * 1_000_000 + "x",
        "```json" + " " * 1_000_000 + "x",
        "`" * 1_000_000,
        "~" * 1_000_000 + "x",
        "```" + "a" * 1_000_000,
        json.dumps(route(*[ANA] * 20_000)),
        json.dumps(route(ANA, reason="x" * 1_000_000)),
    ],
    ids=lambda text: repr(text[:20]),
)
def test_an_endless_answer_is_read_in_no_time(text: str) -> None:
    began_s = time.process_time()
    parse(text)
    assert time.process_time() - began_s < 2


def test_long_texts_are_cut_and_hold_nothing_that_a_database_refuses() -> None:
    decision = parse(
        '{"action": "route", "reason": "a\\u0000b\\ud800' + "r" * 5_000 + '", "selections": '
        '[{"agent_key": "ana", "instruction": "\\udfff\\u0000' + "i" * 9_000 + '"}]}'
    )
    assert decision is not None
    assert decision.reason.startswith("a\ufffdb\ufffdr")
    assert len(decision.reason) == MAX_REASON_CHARS
    assert decision.selections[0].instruction.startswith("\ufffd\ufffdi")
    assert len(decision.selections[0].instruction) == MAX_INSTRUCTION_CHARS
    json.dumps(decision.as_dict(), ensure_ascii=False).encode()


def test_the_fallback_is_the_first_agent_then_the_synthesis_and_warns(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level(logging.WARNING, "orchestration.engine.routing"):
        first = fallback_decision(1, KEYS, turn_id="t-1", cause="not_json", sentence="No JSON.")
        later = fallback_decision(2, KEYS, turn_id="t-1", cause="length", sentence="Cut off.")
    assert (first.action, first.selections, first.used_fallback) == ("route", (Selection("ana", ""),), True)
    assert (later.action, later.selections, later.used_fallback) == ("synthesize", (), True)
    assert (first.fallback_reason, first.reason) == ("not_json", "No JSON.")
    assert (later.fallback_reason, later.reason) == ("length", "Cut off.")
    assert [record.levelname for record in caplog.records] == ["WARNING", "WARNING"]
    assert "t-1" in caplog.text


def test_the_schema_allows_the_roster_and_nothing_else() -> None:
    schema: Any = routing_schema(KEYS)
    selection = schema["properties"]["selections"]["items"]
    assert selection["properties"]["agent_key"]["enum"] == KEYS
    for part in (schema, selection):
        assert part["additionalProperties"] is False
        assert part["required"] == list(part["properties"])


def test_a_decision_as_json() -> None:
    assert json.loads(json.dumps(ASKED.as_dict())) == {
        "action": "route",
        "selections": [ANA, BOB],
        "reason": "So.",
        "used_fallback": False,
        "fallback_reason": None,
    }


DECISION = json.dumps(route(ANA, BOB))
OTHER = json.dumps({"action": "synthesize", "selections": [], "reason": ""})


@pytest.mark.parametrize(
    "text",
    [
        f'<think>maybe {{"a":1}}</think>{DECISION}',
        f"<think>or {OTHER}?</think>\n{DECISION}",
        f"<think>So: {DECISION}</think>",
        f"<think>So: {DECISION}",
        f"The roof matters.</think>\n\n{DECISION}",
        f"Here is my decision:\n{DECISION}\nShall I go on?",
        f"First I thought {OTHER}.\n{DECISION}",
        f'{DECISION}\n{{"confidence": 1}}',
        f"{DECISION}\n{OTHER[:20]}",
        f"[{DECISION}]",
        f'{{"decision": {DECISION}}}',
        f"Sure {{smile}}:\n```json\n{DECISION}\n```\nDone.",
    ],
)
def test_the_last_complete_object_that_fits_is_the_decision(text: str) -> None:
    assert parse(text) == ASKED


# --- Any answer of a manager ------------------------------------------------------------------------------------------

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.sampled_from([*KEYS, "route", "synthesize"]),
    lambda inner: (
        st.lists(inner)
        | st.dictionaries(
            st.sampled_from(["action", "selections", "agent_key", "instruction", "reason"]) | st.text(), inner
        )
    ),
    max_leaves=8,
)
SELECTION = st.fixed_dictionaries(
    {}, optional={"agent_key": st.sampled_from([*KEYS, "zoe", "@BOB", 7]), "instruction": st.text() | JSON}
)
HALF_VALID = st.fixed_dictionaries(
    {"action": st.sampled_from(["route", "synthesize", "ROUTE", None, 1])},
    optional={"selections": st.lists(SELECTION | JSON, max_size=8) | JSON, "reason": JSON, "extra": JSON},
)
MANAGER_ANSWERS = st.one_of(
    st.text(),
    JSON.map(json.dumps),
    HALF_VALID.map(json.dumps),
    HALF_VALID.map(lambda data: f"```json\n{json.dumps(data)}\n```"),
    HALF_VALID.map(json.dumps).flatmap(lambda text: st.integers(0, len(text)).map(lambda end: text[:end])),
    st.text(max_size=5).map(lambda text: text * 500),
)


@settings(RELAXED, max_examples=300)
@given(MANAGER_ANSWERS, st.integers(1, 4))
def test_whatever_a_manager_says_is_a_valid_decision_or_none(text: str, most: int) -> None:
    decision = parse_decision(text, KEYS, most=most)
    assert decision == parse_decision(text, KEYS, most=most)
    if decision is None:
        return
    keys = [selection.agent_key for selection in decision.selections]
    assert decision.action in ("route", "synthesize")
    assert set(keys) <= set(KEYS)
    assert len(set(keys)) == len(keys) <= most
    assert bool(keys) == (decision.action == "route")
    assert decision.used_fallback is False
    json.dumps(decision.as_dict(), ensure_ascii=False).encode()
