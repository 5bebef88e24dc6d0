"""What a provider server is told to answer, and what it says it served."""

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
    """A place where a server waits until the test lets it go on."""

    def __init__(self) -> None:
        self._reached = threading.Event()
        self._opened = threading.Event()

    def wait_until_reached(self, timeout_s: float = WAIT_S) -> None:
        """Return when the server stands at the gate: what comes before it has been sent."""
        assert self._reached.wait(timeout_s), "no server came to this gate"

    def open(self) -> None:
        """Let the server go on; it passes every later time as well."""
        self._opened.set()

    @property
    def is_open(self) -> bool:
        return self._opened.is_set()

    def reach(self) -> None:
        """Tell the test that the server is here."""
        self._reached.set()


class Fault:
    """Something that happens at a place in the stream."""


@dataclass(frozen=True)
class Hold(Fault):
    """Wait at a gate, then go on."""

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
    """Send these bytes as they are, then go on."""

    data: bytes = b"data: {not json\n\n"


@dataclass(frozen=True)
class ErrorEvent(Fault):
    """Send an error event in the stream, then end it cleanly."""

    type: str = "overloaded_error"
    message: str = "The server is overloaded."
    code: str | int | None = None


@dataclass(frozen=True)
class Answer:
    """One answer. Everything has a default: `Answer()` is a short whole answer."""

    text: str | Sequence[str] = "Hello from the test server."
    """The pieces, a delta each; a string is cut into words."""
    reasoning: Sequence[str] = ()
    usage: Usage | None = None
    """What is billed. None: counted from the request (`server.count_input`) and the answer (`count_tokens`)."""
    raw_usage: Mapping[str, Any] | None = None
    """The usage object to send instead of the one made from `usage`."""
    tells_usage: bool = True
    finish_reason: str | None = "stop"
    """`stop`, `length` or `content_filter` in the wire's own words; another text as it is; None: none is sent."""
    model: str = ""
    """The model that is said to have answered; empty: the one asked for."""

    status: int = 200
    """300 and above: no answer, but an HTTP error in the provider's own shape; a redirect names its `location` in
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
    """Wait here before anything at all is sent."""
    at: Mapping[int, Fault] = field(default_factory=dict)
    """Number of text pieces sent -> what happens then."""
    body: bytes | None = None
    """Send exactly this as the response's body, in place of a stream."""
    content_type: str = "text/event-stream; charset=utf-8"

    @property
    def pieces(self) -> list[str]:
        """The text as it is cut into deltas."""
        if isinstance(self.text, str):
            return re.findall(r"\S+\s*|\s+", self.text)
        return list(self.text)


@dataclass
class Served:
    """What a server says of one request."""

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
    """The client was sent the final usage."""
    whole: bool = False
    """The answer was sent to its end."""
    disconnected: bool = False
    """The client hung up before the end."""
    _over: threading.Event = field(default_factory=threading.Event, repr=False)

    def wait(self, timeout_s: float = WAIT_S) -> Served:
        """Return when the exchange is over."""
        assert self._over.wait(timeout_s), f"request {self.number} is not over"
        return self

    def finish(self) -> None:
        """Tell waiting tests that this exchange is over."""
        self._over.set()


def count_tokens(text: str) -> int:
    """Return how many tokens these servers count: a token for each begun four characters."""
    return -(-len(text) // 4)
