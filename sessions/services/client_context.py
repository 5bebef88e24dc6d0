"""Context sent by a client that keeps its own conversation: stored in the turn's snapshot, passed to its models."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

from orchestration.engine.modes import Mode
from orchestration.engine.specs import AgentSpec, HistoryMessage
from sessions.services.turn_request import ClientContext, ClientLine

COUNCIL_NAME = "The council"
"""Speaker of a client's earlier answers if there is no room name."""


def client_json(client: ClientContext | None) -> dict[str, Any] | None:
    """Return the snapshot's JSON, which `client_from` reads."""
    return None if client is None else dataclasses.asdict(client)


def client_from(data: dict[str, Any] | None) -> ClientContext | None:
    """Return a turn's client context; turns that continue or replace the turn use it too."""
    if data is None:
        return None
    return ClientContext(**{**data, "history": tuple(ClientLine(**line) for line in data["history"])})


def client_lines(
    client: ClientContext | None, mode: Mode, roster: Sequence[AgentSpec], room_name: str
) -> tuple[HistoryMessage, ...]:
    """Return a client's history as lines before the transcript: seq 0 and below.

    An earlier answer is attributed to the agent if one answers alone, to the manager if there is one, and
    else to the whole council.
    """
    lines = client.history if client else ()
    first = 1 - len(lines)
    return tuple(line_of(first + place, line, mode, roster, room_name) for place, line in enumerate(lines))


def line_of(
    seq: int, line: ClientLine, mode: Mode, roster: Sequence[AgentSpec], room_name: str
) -> HistoryMessage:
    if line.role == "user":
        return HistoryMessage(seq, "user", line.text)
    if mode.concluded:
        return HistoryMessage(seq, "manager", line.text)
    if mode.alone:
        return HistoryMessage(seq, "agent", line.text, roster[0].key, roster[0].name)
    return HistoryMessage(seq, "agent", line.text, "", room_name or COUNCIL_NAME)


def with_client_parameters(
    client: ClientContext | None, roster: tuple[AgentSpec, ...]
) -> tuple[AgentSpec, ...]:
    """Return the roster with the client's parameters; an agent's own limit is never raised."""
    if client is None:
        return roster
    return tuple(
        dataclasses.replace(
            agent,
            temperature=agent.temperature if client.temperature is None else client.temperature,
            max_output_tokens=min_limit(agent.max_output_tokens, client.max_output_tokens),
        )
        for agent in roster
    )


def min_limit(*limits: int | None) -> int | None:
    """Return the smallest of the limits that are set."""
    return min((limit for limit in limits if limit is not None), default=None)
