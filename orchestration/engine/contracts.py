"""JSON contracts: the object in a model's answer, or the reason why the answer has none that can be used."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Literal, TypeVar, get_args

from orchestration.engine.thoughts import split_thoughts

if TYPE_CHECKING:  # steps emit events, which have decisions
    from orchestration.engine.ports import CallOutcome
    from orchestration.engine.steps import StepResult

FallbackReason = Literal["no_answer", "length", "not_json", "refused_schema"]
FALLBACK_REASONS: tuple[FallbackReason, ...] = get_args(FallbackReason)

ATTEMPTS = 2
"""An unusable answer is asked for once more."""

MOST_PLACES = 2_000
MOST_CHARS = 2_000_000
"""Opening braces that are tried as the beginning of an object, and characters that are read at them: they bound the
work for any text."""

ASK_AGAIN = "Your last answer could not be used. Answer with the JSON object alone."

DECODER = json.JSONDecoder()

T = TypeVar("T")


def objects_in(text: str) -> Iterator[dict[str, Any]]:
    """Yield the complete JSON objects in a text, from the last to the first, with those inside other objects."""
    place, left = len(text), MOST_CHARS
    for _ in range(MOST_PLACES):
        place = text.rfind("{", 0, place)
        if place < 0:
            return
        data, end = object_at(text, place)
        if data is not None:
            yield data
        left -= end - place
        if left < 0:
            break
    if (first := text.find("{")) < place and (data := object_at(text, first)[0]) is not None:
        yield data


def object_at(text: str, place: int) -> tuple[dict[str, Any] | None, int]:
    """Return the object that begins at a place, None if it is not complete; and how far the text was read."""
    try:
        data, end = DECODER.raw_decode(text, place)
    except json.JSONDecodeError as error:
        return None, error.pos
    except (ValueError, RecursionError):  # a number of too many digits; too many brackets
        return None, len(text)
    return data, end


def last_object(text: str, parse: Callable[[dict[str, Any]], T | None]) -> T | None:
    """Return the last object that fits, as `parse` returns it; thoughts, fences and sentences around do not matter."""
    return next((parsed for data in objects_in(text) if (parsed := parse(data)) is not None), None)


def fallback_reason(result: StepResult | CallOutcome) -> FallbackReason:
    """Return why a call's answer has no usable object."""
    if result.finish_reason == "length":
        return "length"
    if result.status not in ("complete", "ok") or not split_thoughts(result.text)[0].strip():
        return "no_answer"
    return "refused_schema" if next(objects_in(result.text), None) is not None else "not_json"


def may_ask_again(reason: FallbackReason, result: StepResult) -> bool:
    """Return whether a second try may help: not after a failure, and not after a length limit."""
    return reason != "length" and result.status == "complete"


def reason_sentence(reason: str, who: str, *, error: str = "", setting: str = "") -> str:
    """Return the reason as a sentence; an empty reason was not stored.

    `who` did not answer: the manager, or a model. `error`: the message of its failed call. `setting`: what limits the
    length of its answer.
    """
    match reason:
        case "length" if error:
            return f"The {who} did not finish: {error}"
        case "length":
            return f"The {who}'s answer was cut off at its max output tokens{f'; raise {setting}' if setting else ''}."
        case "no_answer":
            return f"The {who} gave no answer: {error}" if error else f"The {who} gave no answer."
        case "not_json":
            return f"The {who}'s answer was not the JSON object it was asked for."
        case "refused_schema":
            return f"The {who}'s answer was JSON that does not match the schema."
        case _:
            return f"The {who} gave no usable answer."
