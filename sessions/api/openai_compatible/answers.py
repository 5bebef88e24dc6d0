"""A turn as a chat completion: final text, finish reason, and usage of all calls."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from accounts.models import User
from orchestration.engine.modes import MODES
from orchestration.engine.purposes import SHOWN
from sessions.models import Agent, Message, Room
from web.api.shapes import Shape, count, one_of, part, parts, stated, text

SEPARATOR = "\n\n"


def final_text(turn: Mapping[str, Any]) -> str:
    """Return the answer of a turn in the API's shape.

    Of an agent alone: its answer. Of a room: the complete synthesis; else the incomplete one, if any, and the answers
    under their agents' names.
    """
    messages = [message for message in turn["messages"] if message["text"].strip()]
    if MODES[turn["mode"]].alone:
        return SEPARATOR.join(message["text"] for message in messages)
    syntheses = [message for message in messages if message["role"] == Message.Role.MANAGER]
    if syntheses and syntheses[-1]["status"] == Message.Status.COMPLETE:
        return str(syntheses[-1]["text"])
    answers = [message for message in messages if message["role"] == Message.Role.AGENT]
    parts = [message["text"] for message in syntheses]
    parts += [heading(message["agent_name"]) + message["text"] for message in answers]
    return SEPARATOR.join(parts)


def heading(name: str) -> str:
    """Return the heading of an agent's answer."""
    return f"**{name}**\n\n"


def finish_reason(turn: Mapping[str, Any]) -> str:
    """Return `length` if an answer reached its output limit, else `stop`."""
    shown = [step for step in turn["steps"] if step["purpose"] in SHOWN]
    cut = any(step["status"] == "ok" and step["context"].get("finish_reason") == "length" for step in shown)
    return "length" if cut else "stop"


def total_of(name: str) -> Callable[[Any], Any]:
    """Return a function that gives a field of a turn's usage."""
    return lambda turn: turn["usage"][name]


class PromptDetailsShape(Shape):
    cached_tokens = count("Input tokens read from a cache.", of=total_of("cached_tokens"))


class CompletionDetailsShape(Shape):
    reasoning_tokens = count(
        "Output tokens that are reasoning.",
        of=lambda turn: sum(step["usage"]["reasoning_tokens"] for step in turn["steps"] if step["usage"]),
    )


class CompletionUsageShape(Shape):
    # Rendered from a turn in the API's shape. Includes all calls and attempts as billed, also the manager's.
    prompt_tokens = count("Input tokens of all calls of the turn.", of=total_of("input_tokens"))
    completion_tokens = count("Output tokens of all calls of the turn.", of=total_of("output_tokens"))
    total_tokens = count(
        "Input and output tokens.",
        of=lambda turn: turn["usage"]["input_tokens"] + turn["usage"]["output_tokens"],
    )
    # A number instead of our usual string, as in the answers of brokers.
    cost = stated(
        serializers.FloatField(
            allow_null=True, help_text="Cost of the turn in USD; null: no call is priced."
        ),
        total_of("cost_usd"),
        lambda usd: None if usd is None else float(usd),
    )
    prompt_tokens_details = part("Parts of the input.", PromptDetailsShape, of=lambda turn: turn)
    completion_tokens_details = part("Parts of the output.", CompletionDetailsShape, of=lambda turn: turn)


def usage_of(turn: Mapping[str, Any]) -> dict[str, Any]:
    """Return the tokens of the whole turn."""
    usage: dict[str, Any] = CompletionUsageShape.render(turn)
    return usage


@extend_schema_field({"type": "null"})
class Nothing(serializers.JSONField):
    """A field of OpenAI's shape that is always null here."""


class AnswerShape(Shape):
    role = one_of("Author of the message.", "assistant", of=lambda turn: "assistant")
    content = text(
        "The agent's answer; of a room, the conclusion, or the answers under their agents' names. Markdown.",
        of=final_text,
        allow_blank=True,
    )


class ChoiceShape(Shape):
    index = count("Always 0.", of=lambda turn: 0)
    message = part("The answer.", AnswerShape, of=lambda turn: turn)
    logprobs = stated(Nothing(help_text="Always null."), lambda turn: None)
    finish_reason = one_of(
        "`length`: an answer reached its output limit.", "stop", "length", of=finish_reason
    )


class Completion(NamedTuple):
    turn: Mapping[str, Any]
    """In the API's shape."""
    model: str
    created: int


class CompletionShape(Shape):
    id = text("`chatcmpl-` and the turn's id.", of=lambda answer: completion_id(answer.turn["id"]))
    object = one_of("Type of the object.", "chat.completion", of=lambda answer: "chat.completion")
    created = count("Time of acceptance, in seconds since 1970 (UTC).")
    model = text("The requested model.")
    choices = parts("Exactly one choice.", ChoiceShape, of=lambda answer: [answer.turn])
    usage = part("Usage of the whole turn.", CompletionUsageShape, of="turn")


class CompatibleModel(NamedTuple):
    id: str
    place: Room | Agent
    user: User


class CompatibleModelShape(Shape):
    id = text("`room:<name>-<start of its id>` or `agent:<key>`.")
    object = one_of("Type of the object.", "model", of=lambda model: "model")
    created = count("Seconds since 1970 (UTC).", of=lambda model: int(model.place.created_at.timestamp()))
    owned_by = text("The user's id.", of=lambda model: str(model.user.pk))
    name = text("Name of the room or agent.", of="place.name")


class CompatibleModelsShape(Shape):
    # Rendered from a list of `CompatibleModel`.
    object = one_of("Type of the object.", "list", of=lambda models: "list")
    data = parts("The user's rooms and agents.", CompatibleModelShape, of=lambda models: models)


def completion_id(turn_id: object) -> str:
    return f"chatcmpl-{turn_id}"
