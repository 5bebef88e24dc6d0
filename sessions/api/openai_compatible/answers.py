"""A turn as a chat completion: its final text, how it ended, and what all of it used."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from orchestration.engine.modes import MODES
from orchestration.engine.purposes import SHOWN
from sessions.models import Message

SEPARATOR = "\n\n"


def final_text(turn: Mapping[str, Any]) -> str:
    """Return what a turn (as the API shows it) answers.

    An agent alone: its answer. A room: the synthesis; without a whole one, what there is of it and the answers
    under their names.
    """
    said = [message for message in turn["messages"] if message["text"].strip()]
    if MODES[turn["mode"]].alone:
        return SEPARATOR.join(message["text"] for message in said)
    syntheses = [message for message in said if message["role"] == Message.Role.MANAGER]
    if syntheses and syntheses[-1]["status"] == Message.Status.COMPLETE:
        return str(syntheses[-1]["text"])
    answers = [message for message in said if message["role"] == Message.Role.AGENT]
    parts = [message["text"] for message in syntheses]
    parts += [heading(message["agent_name"]) + message["text"] for message in answers]
    return SEPARATOR.join(parts)


def heading(name: str) -> str:
    """Return what stands above an agent's answer."""
    return f"**{name}**\n\n"


def finish_reason(turn: Mapping[str, Any]) -> str:
    """Return `length` where an answer reached its limit of tokens, else `stop`."""
    shown = [step for step in turn["steps"] if step["purpose"] in SHOWN]
    cut = any(step["status"] == "ok" and step["context"].get("finish_reason") == "length" for step in shown)
    return "length" if cut else "stop"


def usage_of(turn: Mapping[str, Any]) -> dict[str, Any]:
    """Return the tokens of the whole turn: every call and attempt, the manager's among them, as they are billed."""
    usage = turn["usage"]
    reasoning = sum(step["usage"]["reasoning_tokens"] for step in turn["steps"] if step["usage"])
    return {
        "prompt_tokens": usage["input_tokens"],
        "completion_tokens": usage["output_tokens"],
        "total_tokens": usage["input_tokens"] + usage["output_tokens"],
        # A number, as brokers with this field send it.
        "cost": None if usage["cost_usd"] is None else float(usage["cost_usd"]),
        "prompt_tokens_details": {"cached_tokens": usage["cached_tokens"]},
        "completion_tokens_details": {"reasoning_tokens": reasoning},
    }


def completion_id(turn_id: object) -> str:
    return f"chatcmpl-{turn_id}"


def completion(turn: Mapping[str, Any], *, model: str, created: int) -> dict[str, Any]:
    """Return the answer to a request that is not streamed."""
    message = {"role": "assistant", "content": final_text(turn)}
    return {
        "id": completion_id(turn["id"]),
        "object": "chat.completion",
        "created": created,
        "model": model,
        "choices": [{"index": 0, "message": message, "logprobs": None, "finish_reason": finish_reason(turn)}],
        "usage": usage_of(turn),
    }
