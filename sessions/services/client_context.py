"""Context sent by a client that keeps its own conversation: stored in the turn's snapshot, passed to its models."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from typing import Any

from orchestration.engine.modes import Mode
from orchestration.engine.specs import AgentSpec, FileSpec, HistoryMessage
from sessions.services.turn_request import ClientContext, ClientLine

COUNCIL_NAME = "The council"
"""Speaker of a client's earlier answers if there is no room name."""


def client_json(client: ClientContext | None) -> dict[str, Any] | None:
    """Return the snapshot's JSON, which `client_from` reads."""
    if client is None:
        return None
    data = dataclasses.asdict(client)
    for line in data["history"]:
        if not line["files"]:
            del line["files"]
    if data["own_files"] is None:
        del data["own_files"]
    return data


def client_from(data: dict[str, Any] | None) -> ClientContext | None:
    """Return a turn's client context; turns that continue or replace the turn use it too."""
    if data is None:
        return None
    history = tuple(ClientLine(**{**line, "files": tuple(line.get("files", ()))}) for line in data["history"])
    own = data.get("own_files")
    return ClientContext(**{**data, "history": history, "own_files": own and tuple(own)})


def client_file_ids(client: ClientContext | None) -> set[str]:
    """Return the ids of files that only earlier messages have."""
    lines = client.history if client else ()
    own = (client.own_files or ()) if client else ()
    return {file_id for line in lines for file_id in line.files} - set(own)


def own_files(client: ClientContext | None, files: Iterable[FileSpec]) -> tuple[FileSpec, ...]:
    """Return the files of a question, of all that it brings."""
    earlier = client_file_ids(client)
    return tuple(file for file in files if file.id not in earlier)


def client_lines(
    client: ClientContext | None,
    mode: Mode,
    roster: Sequence[AgentSpec],
    room_name: str,
    files: Iterable[FileSpec] = (),
) -> tuple[HistoryMessage, ...]:
    """Return a client's history as lines before the transcript: seq 0 and below.

    An earlier answer is attributed to the agent if one answers alone, to the manager if there is one, and
    else to the whole council. `files`: those that the turn's message brings.
    """
    lines = client.history if client else ()
    first = 1 - len(lines)
    by_id = {file.id: file for file in files}
    history = (line_of(first + place, line, mode, roster, room_name) for place, line in enumerate(lines))
    return tuple(
        dataclasses.replace(
            message, files=tuple(by_id[file_id] for file_id in line.files if file_id in by_id)
        )
        for message, line in zip(history, lines, strict=True)
    )


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
