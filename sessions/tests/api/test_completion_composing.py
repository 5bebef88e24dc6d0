"""From the events of a turn to a completion: text that may turn out to be a thought waits."""

from __future__ import annotations

from typing import Any

import pytest

from orchestration.engine.modes import MODES
from sessions.api.openai_compatible.composing import ChannelText, Composer


def composer(*unknown: str, mode: str = "direct") -> Composer:
    return Composer(MODES[mode], unknown_models=unknown)


def fed(composer: Composer, *events: dict[str, Any]) -> list[ChannelText]:
    return [piece for event in events for piece in composer.feed(event)]


def started(model: str = "m", step_id: str = "1") -> dict[str, Any]:
    return {
        "type": "step.started",
        "step_id": step_id,
        "purpose": "reply",
        "agent_key": "ana",
        "agent_name": "Ana",
        "model": model,
        "round": 1,
    }


def delta(text: str, kind: str = "text", step_id: str = "1") -> dict[str, Any]:
    return {"type": "step.delta", "step_id": step_id, "kind": kind, "text": text}


def completed(step_id: str = "1") -> dict[str, Any]:
    return {"type": "step.completed", "step_id": step_id}


def snapshot(*open_steps: str) -> dict[str, Any]:
    return {
        "type": "turn.snapshot",
        "turn": {"steps": [{"step_id": step_id, "status": "started"} for step_id in open_steps]},
    }


def test_a_known_model_is_live() -> None:
    assert fed(composer("other"), started(), delta("Yes")) == [("content", "Yes")]


def test_text_of_an_unknown_model_waits_for_its_end() -> None:
    unknown = composer("m")
    assert fed(unknown, started(), delta(" \n"), delta("Yes"), delta(".")) == []
    assert fed(unknown, completed()) == [("content", " \nYes.")]


def test_an_unknown_model_is_live_after_a_thought() -> None:
    thought = ("reasoning_content", "Hm.")
    unknown = composer("m")
    assert fed(unknown, started(), delta("Hm.", "reasoning"), delta("Yes")) == [thought, ("content", "Yes")]


def test_a_thought_after_text_of_an_unknown_model_does_not_release_it() -> None:
    unknown = composer("m")
    thought = ("reasoning_content", "Hm.")
    assert fed(unknown, started(), delta("Yes"), delta("Hm.", "reasoning"), delta(".")) == [thought]
    assert fed(unknown, completed()) == [("content", "Yes.")]


def test_text_that_turns_out_to_be_a_thought_is_reasoning() -> None:
    unknown = composer("m")
    thought = delta("Hm.", "reasoning")
    pieces = fed(unknown, started(), delta("Hm."), snapshot("1"), thought, delta("Yes."), completed())
    assert pieces == [("reasoning_content", "Hm.")]
    assert unknown.content == ""


@pytest.mark.parametrize("open_steps", [(), ("2",)])
def test_steps_that_are_over_hold_up_nothing_after_a_snapshot(open_steps: tuple[str, ...]) -> None:
    several = composer(mode="manual")
    fed(several, started(), started(step_id="2"), delta("a"), snapshot(*open_steps), started(step_id="3"))
    fed(several, completed("2"))
    assert fed(several, delta("Hm.", "reasoning", step_id="3")) == [("reasoning_content", "Hm.")]
