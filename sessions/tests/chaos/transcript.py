"""The events that readers of one turn receive, over all their connections, and whether they are in order."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from sessions.events.entries import OPENING, TERMINAL
from sessions.models import Turn


@dataclass
class Transcript:
    """Follows one reader: each event once, in order, none missing, texts equal to their deltas, one end."""

    turn_id: str
    breach: Callable[[str], None]
    last: int = 0
    end: str = ""
    """The turn's status in its terminal event."""
    cuts: int = 0
    """Connections that broke or ended before the turn did."""
    snapshots: int = 0
    events: int = 0
    disorder: int = 0
    """Events that came twice, out of order, or after a missing one."""
    lanes: dict[str, str] = field(default_factory=dict)
    """Step seen from its beginning -> text so far."""
    _seq: int = 0
    _data: str = ""

    def line(self, line: str) -> None:
        """Process a line of the wire; an event is complete with the empty line after it, as in a browser."""
        name, _, value = line.partition(": ")
        if name == "id":
            self._seq = int(value)
        elif name == "data":
            self._data = value
        elif not line and self._data:
            data, self._data = self._data, ""
            self.take(self._seq, json.loads(data))

    def cut(self) -> None:
        """Note the end of a connection; an incomplete event is dropped."""
        self.cuts += 1
        self._data = ""

    def take(self, seq: int, event: dict[str, Any]) -> None:
        kind = event["type"]
        self.events += 1
        if event["turn_id"] != self.turn_id:
            self.breach(f"a reader of {self.turn_id} was told of {event['turn_id']}")
        if seq <= self.last:
            self._disorder(f"event {seq} ({kind}) came after {self.last}")
        elif seq != self.last + 1 and kind not in OPENING | TERMINAL:
            self._disorder(f"what is between {self.last} and {seq} ({kind}) was left out")
        if self.end:
            self._disorder(f"event {seq} ({kind}) came after the end")
        self.last = max(self.last, seq)
        self._follow(kind, event)

    def _disorder(self, text: str) -> None:
        self.disorder += 1
        self.breach(f"{self.turn_id}: {text}")

    def _follow(self, kind: str, event: dict[str, Any]) -> None:
        if kind in OPENING:
            self.lanes = {}
        if kind == "turn.snapshot":
            self.snapshots += 1
            if event["turn"]["status"] in Turn.FINAL:
                self.end = event["turn"]["status"]
        elif kind in TERMINAL:
            self.end = event["status"]
        elif kind == "step.started":
            self.lanes[event["step_id"]] = ""
        elif kind == "step.delta" and event["kind"] == "text" and event["step_id"] in self.lanes:
            self.lanes[event["step_id"]] += event["text"]
        elif kind == "step.completed":
            said = self.lanes.pop(event["step_id"], event["text"])
            if said != event["text"]:
                self.breach(f"{self.turn_id}: the deltas {said!r} are not the text {event['text']!r}")
