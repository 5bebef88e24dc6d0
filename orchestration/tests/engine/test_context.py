from dataclasses import replace

from orchestration.engine.context import agent_system, build_request, reply_prompt, window_of
from orchestration.engine.specs import ChatMessage, HistoryMessage
from orchestration.tests.engine.world import agent_spec, model_spec, turn_spec

HISTORY = [
    HistoryMessage(1, "user", "Shall we?"),
    HistoryMessage(2, "agent", "Yes.", "ana", "Ana"),
    HistoryMessage(3, "agent", "No.", "bob", "Bob"),
    HistoryMessage(4, "manager", "Maybe."),
]


def test_an_agent_sees_itself_as_assistant_and_the_others_by_name() -> None:
    spec = turn_spec("ana", "bob", message="And now?", history=HISTORY)
    request, _ = build_request(spec, reply_prompt(spec, spec.agent("ana")))
    assert request.messages == (
        ChatMessage("user", "Shall we?"),
        ChatMessage("assistant", "Yes."),
        ChatMessage("user", "[Bob (@bob)]: No.\n\n[Manager]: Maybe.\n\nAnd now?"),
    )


def test_the_system_prompt_names_the_roster_and_the_order_to_speak_only_for_oneself() -> None:
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


def test_the_window_is_divided_as_documented() -> None:
    window = window_of(model_spec(window=100_000, max_output=64_000))
    assert (window.output_reserve, window.overhead_reserve) == (20_000, 5_000)
    assert window.input_budget == 75_000
    small = window_of(model_spec(window=8_000, max_output=500))
    assert (small.output_reserve, small.overhead_reserve) == (500, 1024)


def test_the_oldest_messages_are_pruned_when_the_budget_is_short() -> None:
    history = [
        HistoryMessage(n, "user" if n % 2 else "agent", f"{n} " + "x" * 4000, "bob", "Bob")
        for n in range(1, 21)
    ]
    spec = turn_spec("ana", history=history)
    spec = replace(spec, roster=(agent_spec("ana", model=model_spec(window=16_384)),))
    request, audit = build_request(spec, reply_prompt(spec, spec.agent("ana")))
    assert audit["pruned"] > 0
    assert audit["estimate_after"] <= audit["input_budget"] < audit["estimate_before"]
    sent = "".join(message.text for message in request.messages)
    assert "20 xxx" in sent
    assert not sent.startswith("1 xxx")
    assert request.messages[-1].text.endswith("Hello")


def test_limits_and_temperature_are_the_models_to_refuse() -> None:
    fixed = model_spec(window=40_000, max_output=4_000, temperature=False)
    spec = turn_spec("ana")
    agent = agent_spec("ana", model=fixed, temperature=0.5, max_output_tokens=100_000)
    request, _ = build_request(spec, reply_prompt(spec, agent))
    assert request.temperature is None
    assert request.max_output_tokens == 4_000
