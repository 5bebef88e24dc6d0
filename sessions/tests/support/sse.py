"""Read server-sent events as a browser does."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from accounts.tests.support.bodies import body_of


@dataclass(frozen=True)
class Sse:
    id: int
    data: dict[str, Any]

    @property
    def type(self) -> str:
        return str(self.data["type"])


def parse_sse(text: str) -> list[Sse]:
    """Return the events of a stream; comments and `retry` are ignored, an `event:` field is an error."""
    events = []
    for block in text.split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.splitlines() if line and not line.startswith(":"))
        assert "event" not in fields
        if "data" in fields:
            events.append(Sse(int(fields["id"]), json.loads(fields["data"])))
    return events


def read_all(response: Any) -> list[Sse]:
    return parse_sse(body_of(response).decode())
