"""The manager's decision: a typed contract, parsed from untrusted text."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

log = logging.getLogger(__name__)

FENCE = re.compile(r"(`{3,}|~{3,})[a-zA-Z]*")
MAX_INSTRUCTION_CHARS = 4_000
MAX_REASON_CHARS = 1_000


@dataclass(frozen=True, slots=True)
class Selection:
    """A selected agent and its instruction."""

    agent_key: str
    instruction: str


@dataclass(frozen=True, slots=True)
class RoutingDecision:
    """The manager's decision; `used_fallback` if its answer was unusable."""

    action: Literal["route", "synthesize"]
    selections: tuple[Selection, ...] = ()
    reason: str = ""
    used_fallback: bool = False

    def as_dict(self) -> dict[str, Any]:
        """Return JSON-ready data: `{action, selections: [{agent_key, instruction}], reason, used_fallback}`."""
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

    The answer must be one JSON object; code fences around it are accepted and unknown keys ignored. Unknown agents are
    dropped, duplicates count once, at most `most` are kept; a `route` without agents is not a decision.
    """
    data = json_object(text)
    if data is None:
        return None
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


def json_object(text: str) -> dict[str, Any] | None:
    """Parse a text that is one JSON object, fenced or not; None for anything else."""
    text = text.strip()
    fence = FENCE.match(text)
    if fence and text.endswith(fence[1]):
        text = text[fence.end() : -len(fence[1])]
    try:
        data = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return data if isinstance(data, dict) else None


def short_text(value: object, chars: int) -> str:
    """Return a text from a model's JSON, cut to `chars`; empty if it is not a string.

    Escapes can encode characters that databases reject: NUL and lone surrogates become U+FFFD.
    """
    if not isinstance(value, str):
        return ""
    text = value.strip()[:chars].replace("\0", "\ufffd")
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def fallback_decision(round_number: int, keys: Sequence[str], *, turn_id: str) -> RoutingDecision:
    """Return the decision to use without a usable one: the room's first agent in round 1, then the synthesis."""
    log.warning("turn %s: no usable decision of the manager in round %d: falling back", turn_id, round_number)
    reason = "The manager gave no usable decision."
    if round_number == 1:
        return RoutingDecision("route", (Selection(keys[0], ""),), reason, used_fallback=True)
    return RoutingDecision("synthesize", (), reason, used_fallback=True)
