"""The manager's decision: a typed contract, parsed from untrusted text."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from orchestration.engine.contracts import FallbackReason, last_object

log = logging.getLogger(__name__)

MAX_INSTRUCTION_CHARS = 4_000
MAX_REASON_CHARS = 1_000


@dataclass(frozen=True, slots=True)
class Selection:
    """A selected agent and its instruction."""

    agent_key: str
    instruction: str


@dataclass(frozen=True, slots=True)
class RoutingDecision:
    """The manager's decision, or the fallback for an unusable answer with its cause."""

    action: Literal["route", "synthesize"]
    selections: tuple[Selection, ...] = ()
    reason: str = ""
    used_fallback: bool = False
    fallback_reason: FallbackReason | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return JSON-ready data: the fields, with selections as `[{agent_key, instruction}]`."""
        return {**asdict(self), "selections": [asdict(selection) for selection in self.selections]}


def routing_schema(keys: Sequence[str]) -> dict[str, object]:
    """Return the contract as a JSON schema, strict enough for providers' structured output."""
    selection = {
        "type": "object",
        "properties": {
            "agent_key": {"type": "string", "enum": list(keys)},
            "instruction": {"type": "string"},
        },
        "required": ["agent_key", "instruction"],
        "additionalProperties": False,
    }
    return {
        "type": "object",
        "properties": {
            "action": {"type": "string", "enum": ["route", "synthesize"]},
            "selections": {"type": "array", "items": selection},
            "reason": {"type": "string"},
        },
        "required": ["action", "selections", "reason"],
        "additionalProperties": False,
    }


def parse_decision(text: str, keys: Sequence[str], *, most: int) -> RoutingDecision | None:
    """Return the decision in a manager's answer, None if it has none.

    It is the last object in the answer that fits; unknown keys are ignored. Unknown agents are dropped, duplicates
    count once, at most `most` are kept; a `route` without agents is not a decision.
    """
    return last_object(text, lambda data: decision_of(data, keys, most=most))


def decision_of(data: dict[str, Any], keys: Sequence[str], *, most: int) -> RoutingDecision | None:
    reason = short_text(data.get("reason"), MAX_REASON_CHARS)
    if data.get("action") == "synthesize":
        return RoutingDecision("synthesize", (), reason)
    if data.get("action") != "route":
        return None
    selections = valid_selections(data.get("selections"), keys)[:most]
    return RoutingDecision("route", selections, reason) if selections else None


def valid_selections(data: object, keys: Sequence[str]) -> tuple[Selection, ...]:
    selections: dict[str, Selection] = {}
    for entry in data if isinstance(data, list) else []:
        if not isinstance(entry, dict) or not isinstance(entry.get("agent_key"), str):
            continue
        key = entry["agent_key"].strip().removeprefix("@").lower()
        if key in keys and key not in selections:
            selections[key] = Selection(key, short_text(entry.get("instruction"), MAX_INSTRUCTION_CHARS))
    return tuple(selections.values())


def short_text(value: object, chars: int) -> str:
    """Return a text from a model's JSON, cut to `chars`; empty if it is not a string.

    Escapes can encode characters that databases reject: NUL and lone surrogates become U+FFFD.
    """
    if not isinstance(value, str):
        return ""
    text = value.strip()[:chars].replace("\0", "\ufffd")
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def fallback_decision(
    round_number: int, keys: Sequence[str], *, turn_id: str, cause: FallbackReason, sentence: str
) -> RoutingDecision:
    """Return the decision to use without a usable one: the room's first agent in round 1, then the synthesis."""
    log.warning("turn %s: no usable decision in round %d (%s): falling back", turn_id, round_number, cause)
    first = (Selection(keys[0], ""),) if round_number == 1 else ()
    return RoutingDecision(
        "route" if first else "synthesize", first, sentence, used_fallback=True, fallback_reason=cause
    )
