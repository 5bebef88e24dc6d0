"""Councils on provider servers, and the texts that distinguish their calls."""

from __future__ import annotations

import json
from typing import Any

from orchestration.tests.providers.anthropic_server import text_of
from sessions.tests.factories import make_room, make_session

ROUTE, EVALUATE, SYNTHESIZE = "Choose up to", "more round(s) are possible", "Now write the council's answer"
"""Parts of the manager's last prompt, by purpose."""


def council(alice, agents, **fields) -> str:
    session = make_session(alice, make_room(alice, *agents, **{"goal": "Decide well.", **fields}))
    return f"sessions/{session.pk}/turns"


def decision(*selections: tuple[str, str], action: str = "route", reason: str = "because") -> str:
    chosen = [{"agent_key": key, "instruction": instruction} for key, instruction in selections]
    return json.dumps({"action": action, "selections": chosen, "reason": reason})


def says(key: str) -> str:
    """A text that only the system prompt of this agent contains."""
    return f"You are {key.title()} (@{key})"


def last_text(body: dict[str, Any]) -> str:
    return text_of(body["messages"][-1]["content"])
