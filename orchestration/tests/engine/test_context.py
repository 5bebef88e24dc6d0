import itertools
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestration.engine.context import (
    LEFT_OUT,
    Prompt,
    agent_system,
    build_request,
    full_input,
    least_input,
    reply_prompt,
    summary_block,
    window_of,
)
from orchestration.engine.purposes import Purpose
from orchestration.engine.specs import (
    AgentSpec,
    ChatMessage,
    HistoryMessage,
    ModelRequest,
    SummaryItem,
    SummarySpec,
    TurnSpec,
)
from orchestration.engine.tokens import estimate_tokens
from orchestration.tests.engine.support.world import RELAXED, agent_spec, model_spec, turn_spec

HISTORY = [
    HistoryMessage(1, "user", "Shall we?"),
    HistoryMessage(2, "agent", "Yes.", "ana", "Ana"),
    HistoryMessage(3, "agent", "No.", "bob", "Bob"),
    HistoryMessage(4, "manager", "Maybe."),
]


def request_of(spec: TurnSpec, agent: AgentSpec | None = None) -> tuple[ModelRequest, dict[str, int]]:
    return build_request(spec, reply_prompt(spec, agent or spec.roster[0]))


def with_model(spec: TurnSpec, **fields: object) -> TurnSpec:
    roster = tuple(replace(agent, model=model_spec(**fields)) for agent in spec.roster)  # type: ignore[arg-type]
    return replace(spec, roster=roster)


# --- Visibility -------------------------------------------------------------------------------------------------------


def test_an_agent_sees_itself_as_assistant_and_the_others_by_name() -> None:
    spec = turn_spec("ana", "bob", message="And now?", history=HISTORY)
    request, _ = request_of(spec)
    assert request.messages == (
        ChatMessage("user", "Shall we?"),
        ChatMessage("assistant", "Yes."),
        ChatMessage("user", "[Bob (@bob)]: No.\n\n[Manager]: Maybe.\n\nAnd now?"),
    )


def test_the_manager_sees_itself_as_assistant_and_every_agent_by_name() -> None:
    spec = turn_spec("ana", "bob", message="And now?", history=HISTORY)
    prompt = Prompt(model_spec(), Purpose.ROUTE, "You are the manager.", None, ask="Whom?")
    request, _ = build_request(spec, prompt)
    assert request.messages == (
        ChatMessage("user", "Shall we?\n\n[Ana (@ana)]: Yes.\n\n[Bob (@bob)]: No."),
        ChatMessage("assistant", "Maybe."),
        ChatMessage("user", "And now?\n\nWhom?"),
    )


def test_the_system_prompt_has_the_roster_and_the_rule_to_speak_only_for_oneself() -> None:
    spec = turn_spec("ana", "bob")
    prompt = agent_system(spec, spec.agent("ana"))
    assert prompt.startswith("You are ana.")
    assert "- @ana: Ana (you)" in prompt
    assert "- @bob: Bob" in prompt
    assert "Decide." in prompt
    assert "Speak only for yourself" in prompt


def test_an_agent_alone_gets_its_role_prompt_and_nothing_else() -> None:
    spec = turn_spec("ana", mode="direct")
    assert agent_system(spec, spec.agent("ana")) == "You are ana."


def test_an_instruction_comes_last_and_is_for_the_agent_alone() -> None:
    spec = turn_spec("ana", "bob")
    said = (HistoryMessage(0, "agent", "Four.", "bob", "Bob"),)
    request, _ = build_request(
        spec, reply_prompt(spec, spec.agent("ana"), answers=said, instruction="Count.")
    )
    assert request.messages == (
        ChatMessage("user", "Hello\n\n[Bob (@bob)]: Four.\n\n[Manager, to you alone]: Count."),
    )


def test_an_agent_that_answered_in_this_turn_is_asked_for_more() -> None:
    spec = turn_spec("ana", "bob")
    said = (HistoryMessage(0, "agent", "Three.", "ana", "Ana"),)
    request, _ = build_request(spec, reply_prompt(spec, spec.agent("ana"), answers=said))
    assert [message.role for message in request.messages] == ["user", "assistant", "user"]
    assert request.messages[-1].text.startswith("[Manager, to you alone]: ")


def test_a_conversation_never_begins_with_an_answer() -> None:
    spec = turn_spec("ana", "bob", history=HISTORY[1:2])
    request, _ = request_of(spec)
    assert request.messages == (
        ChatMessage("user", LEFT_OUT),
        ChatMessage("assistant", "Yes."),
        ChatMessage("user", "Hello"),
    )


def test_the_summary_stands_after_the_system_prompt() -> None:
    summary = SummarySpec("They met.", decisions=(SummaryItem("Ana decided to wait.", 4),))
    spec = replace(turn_spec("ana", "bob"), summary=summary)
    request, audit = request_of(spec)
    assert request.system == (
        agent_system(spec, spec.roster[0])
        + "\n\nSummary of the conversation so far:\nThey met.\n\nDecisions:\n- Ana decided to wait."
    )
    assert audit["summarized"] == 1


# --- Pruning ----------------------------------------------------------------------------------------------------------


def test_the_window_is_divided_as_documented() -> None:
    window = window_of(model_spec(window=100_000, max_output=64_000))
    assert (window.output_reserve, window.overhead_reserve) == (20_000, 5_000)
    assert window.input_budget == 75_000
    small = window_of(model_spec(window=8_000, max_output=500))
    assert (small.output_reserve, small.overhead_reserve) == (500, 1024)
    assert window_of(model_spec(window=100_000, max_output=4_000), 1_000).output_reserve == 1_000


def long_history(count: int = 20) -> list[HistoryMessage]:
    return [
        HistoryMessage(n, "user" if n % 2 else "agent", f"{n} " + "x" * 4000, "bob", "Bob")
        for n in range(1, count + 1)
    ]


def test_the_oldest_messages_are_pruned_when_the_budget_is_short() -> None:
    spec = with_model(turn_spec("ana", history=long_history()), window=16_384)
    request, audit = request_of(spec)
    assert audit["pruned"] > 0
    assert audit["estimate_after"] <= audit["input_budget"] < audit["estimate_before"]
    sent = "".join(message.text for message in request.messages)
    assert "20 xxx" in sent
    assert f"{audit['pruned'] + 1} xxx" in sent
    assert f" {audit['pruned']} xxx" not in sent
    assert not sent.startswith("1 xxx")
    assert request.messages[-1].text.endswith("Hello")


def test_the_role_prompt_of_the_very_agent_is_counted() -> None:
    roster = (agent_spec("ana"), agent_spec("bob", role_prompt="r" * 20_000))
    spec = replace(turn_spec("ana", "bob", history=long_history()), roster=roster)
    spec = with_model(spec, window=16_384)
    (_, ana), (_, bob) = (request_of(spec, agent) for agent in spec.roster)
    assert bob["pruned"] == ana["pruned"] + 5
    assert least_input(spec, spec.roster[1]) - least_input(spec, spec.roster[0]) > 4_900


def test_an_estimate_is_calibrated_by_what_the_provider_counted() -> None:
    spec = with_model(turn_spec("ana", history=long_history()), window=16_384)
    double = replace(
        spec, roster=tuple(replace(a, model=replace(a.model, calibration=2.0)) for a in spec.roster)
    )
    (_, plain), (_, calibrated) = request_of(spec), request_of(double)
    assert calibrated["estimate_before"] == 2 * plain["estimate_before"]
    assert calibrated["pruned"] > plain["pruned"]
    assert calibrated["estimate_after"] == 2 * calibrated["estimate_raw"] <= calibrated["input_budget"]
    assert full_input(double, double.roster[0]) == 2 * full_input(spec, spec.roster[0])


def test_long_names_are_counted_too() -> None:
    history = [HistoryMessage(n, "agent", "Yes.", "k" * 64, "N" * 120) for n in range(1, 400)]
    _, audit = request_of(with_model(turn_spec("ana", history=history), window=8_192))
    assert audit["pruned"] > 0
    assert audit["estimate_after"] <= audit["input_budget"]


def test_a_summary_that_would_not_fit_is_cut_and_its_items_stay() -> None:
    item = SummaryItem("Bob decided to wait.", 3, pinned=True)
    summary = SummarySpec("They met. " * 3_000, decisions=(item,))
    spec = with_model(replace(turn_spec("ana", history=HISTORY), summary=summary), window=8_192)
    request, audit = request_of(spec)
    assert audit["estimate_after"] <= audit["input_budget"]
    assert "They met." in request.system
    assert request.system.endswith("Decisions:\n- Bob decided to wait.")


@pytest.mark.parametrize("most", [0, 1, 8, 12, 20, 10_000])
def test_a_cut_summary_is_no_longer_than_it_may_be(most: int) -> None:
    summary = SummarySpec("Ä" * 100, key_facts=(SummaryItem("ö" * 30, 1),))
    block = summary_block(summary, most)
    assert estimate_tokens(block) <= most
    assert "\ufffd" not in block


def test_limits_and_temperature_are_the_models_to_refuse() -> None:
    fixed = model_spec(window=40_000, max_output=4_000, temperature=False)
    spec = turn_spec("ana")
    agent = agent_spec("ana", model=fixed, temperature=0.5, max_output_tokens=100_000)
    request, _ = request_of(spec, agent)
    assert request.temperature is None
    assert request.max_output_tokens == 4_000


LINES = st.builds(
    HistoryMessage,
    st.integers(1, 99),
    st.sampled_from(["user", "agent", "manager"]),
    st.text(min_size=1, max_size=300) | st.text(min_size=1, max_size=3).map(lambda text: text * 2_000),
    st.sampled_from(["ana", "bob"]),
    st.sampled_from(["Ana", "Bob"]),
)
SUMMARIES = st.none() | st.builds(
    SummarySpec,
    st.text(max_size=3).map(lambda text: text * 4_000),
    st.lists(st.builds(SummaryItem, st.text(), st.none())).map(tuple),
)


@RELAXED
@given(
    history=st.lists(LINES, max_size=12),
    said=st.lists(LINES.filter(lambda line: line.role != "user"), max_size=4),
    message=st.text(min_size=1, max_size=200),
    summary=SUMMARIES,
    window=st.integers(3_000, 40_000),
    calibration=st.floats(0.5, 3.0),
)
def test_what_is_sent_fits_keeps_the_newest_and_can_be_answered(
    history: list[HistoryMessage],
    said: list[HistoryMessage],
    message: str,
    summary: SummarySpec | None,
    window: int,
    calibration: float,
) -> None:
    model = replace(model_spec(window=window, max_output=1_000), calibration=calibration)
    spec = replace(turn_spec("ana", "bob", message=message, history=history), summary=summary)
    spec = replace(spec, roster=tuple(replace(agent, model=model) for agent in spec.roster))
    agent = spec.roster[0]
    request, audit = build_request(spec, reply_prompt(spec, agent, answers=said))
    if least_input(spec, agent) + 50 <= audit["input_budget"]:
        assert audit["estimate_after"] <= audit["input_budget"]
    assert audit["estimate_after"] <= audit["estimate_before"]
    assert [m.role for m in request.messages][::2] == ["user"] * -(-len(request.messages) // 2)
    assert all(one.role != other.role for one, other in itertools.pairwise(request.messages))
    assert request.messages[-1].role == "user"
    sent = "\n\n".join(m.text for m in request.messages)
    assert message in sent
    left = [*history, *said][audit["pruned"] :]
    assert sum(len(line.text) for line in left) <= len(sent)
    assert all(line.text in sent for line in left)
