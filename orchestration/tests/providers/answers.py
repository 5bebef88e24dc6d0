"""The scripted answers of a provider server, and its record of served requests."""

from __future__ import annotations

import math
import re
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from orchestration.engine.specs import Usage

WAIT_S = 10.0
"""How long a test waits for a server before it fails."""


class Gate:
    """A place where a server waits until the test opens it."""

    def __init__(self) -> None:
        self._reached = threading.Event()
        self._opened = threading.Event()

    def wait_until_reached(self, timeout_s: float = WAIT_S) -> None:
        """Return when the server is at the gate: everything before it has been sent."""
        assert self._reached.wait(timeout_s), "no server came to this gate"

    def open(self) -> None:
        """Open the gate, for good: the server continues and does not wait here again."""
        self._opened.set()

    @property
    def is_open(self) -> bool:
        return self._opened.is_set()

    def reach(self) -> None:
        """Signal to the test that the server is here."""
        self._reached.set()


class Fault:
    """An event at a place in the stream."""


@dataclass(frozen=True)
class Hold(Fault):
    """Wait at a gate, then continue."""

    gate: Gate


@dataclass(frozen=True)
class Cut(Fault):
    """Close the connection in the middle of the answer; with `reset` by RST, as a crashed machine does."""

    reset: bool = False


@dataclass(frozen=True)
class Silence(Fault):
    """Send nothing and keep the connection open, until the client leaves or `lasts_s` is over.

    `pings` sends keep-alives meanwhile.
    """

    pings: bool = False
    lasts_s: float = math.inf


@dataclass(frozen=True)
class Garbage(Fault):
    """Send these bytes unchanged, then continue."""

    data: bytes = b"data: {not json\n\n"


@dataclass(frozen=True)
class ErrorEvent(Fault):
    """Send an error event in the stream, then end it cleanly."""

    type: str = "overloaded_error"
    message: str = "The server is overloaded."
    code: str | int | None = None


@dataclass(frozen=True)
class Answer:
    """One answer. Everything has a default: `Answer()` is a short complete answer."""

    text: str | Sequence[str] = "Hello from the test server."
    """The pieces, one delta each; a string is split into words."""
    reasoning: Sequence[str] = ()
    usage: Usage | None = None
    """The billed usage. None: counted from the request (`server.count_input`) and the answer (`count_tokens`)."""
    raw_usage: Mapping[str, Any] | None = None
    """The usage object to send instead of the one made from `usage`."""
    tells_usage: bool = True
    finish_reason: str | None = "stop"
    """`stop`, `length` or `content_filter` in the wire's own words; any other text unchanged; None: none is sent."""
    model: str = ""
    """The name of the answering model; empty: the requested one."""

    status: int = 200
    """300 and above: not an answer, but an HTTP error in the provider's own shape; a redirect has its `location` in
    `headers`."""
    retry_after: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    """More response headers."""
    error_type: str = ""
    error_message: str = "The test server says no."

    delay_s: float = 0.0
    """Pause between pieces."""
    first_delay_s: float = 0.0
    """Pause before the first piece, after the head of the response."""
    head_gate: Gate | None = None
    """Wait here before anything is sent."""
    at: Mapping[int, Fault] = field(default_factory=dict)
    """Number of text pieces sent -> fault."""
    body: bytes | None = None
    """Send exactly this as the response's body, instead of a stream."""
    content_type: str = "text/event-stream; charset=utf-8"

    @property
    def pieces(self) -> list[str]:
        """The text as split into deltas."""
        if isinstance(self.text, str):
            return re.findall(r"\S+\s*|\s+", self.text)
        return list(self.text)


@dataclass
class Served:
    """A server's record of one request."""

    number: int
    path: str
    headers: dict[str, str]
    """The request's headers, names in lower case."""
    body: dict[str, Any]
    request_id: str
    model: str = ""
    status: int = 0
    """The HTTP status that was sent; 0: none."""
    reasoned: bool = False
    """Reasoning was sent before the text."""
    text: str = ""
    pieces_sent: int = 0
    usage: Usage = field(default_factory=Usage)
    """As billed."""
    usage_told: bool = False
    """The final usage was sent to the client."""
    whole: bool = False
    """The answer was sent to its end."""
    disconnected: bool = False
    """The client disconnected before the end."""
    _over: threading.Event = field(default_factory=threading.Event, repr=False)

    def wait(self, timeout_s: float = WAIT_S) -> Served:
        """Return when the exchange is over."""
        assert self._over.wait(timeout_s), f"request {self.number} is not over"
        return self

    def finish(self) -> None:
        """Signal to waiting tests that this exchange is over."""
        self._over.set()


def count_tokens(text: str) -> int:
    """Return the token count of these servers: one token per four characters, rounded up."""
    return -(-len(text) // 4)
