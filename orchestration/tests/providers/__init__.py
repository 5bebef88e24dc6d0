"""Model providers for tests: real HTTP servers on loopback that speak the two wire formats in full.

    def test_two_answers(openai_server):
        openai_server.queue(Answer("Good morning."), Answer(status=429, retry_after="2"))
        ...                                       # let the product call openai_server.base_url
        first, second = openai_server.served      # what the server says it served, in the order of arrival
        assert first.usage == ...                 # the five buckets, as billed
        assert second.status == 429

**What a server answers.** The first of these that has an answer left: rules in the order they were made
(`server.when("tax law", Answer(...))`: a text in the request, or a function of its JSON body; `model=` narrows it
to a model id; `always=True` repeats the last answer for ever), then the queue, then `server.default`. Parallel
calls of a fan-out arrive in any order: give each its rule. `server.key = "secret"` refuses every other key with
401. A request that the real API would not take is refused with 400, whatever the script says.

**An `Answer`** says what is sent, at which pace, and what goes wrong; see its fields. `at={n: fault}` lets
something happen once n text pieces are sent (0: after the response's head, the opening events and the reasoning):
`Cut()`, `Cut(reset=True)`, `Silence()`, `Garbage()`, `ErrorEvent()`, or `Hold(gate)`. A `Gate` makes a test
deterministic: the server stands there (`gate.wait_until_reached()`) until the test says `gate.open()`.
`finish_reason=None` ends the stream cleanly without one.

**`Served`**, one per request, is the provider's own ledger: body, headers, model, request id, status, the text it
sent, `usage` as billed (zero for an HTTP error; what was generated so far for a cut stream), whether that usage
was told to the client, and whether the client hung up. `served.wait()` returns once the exchange is over.

Fixtures `openai_server` and `anthropic_server` are in `orchestration.tests.providers.fixtures`.
"""

from __future__ import annotations

from orchestration.tests.providers.answers import (
    Answer,
    Cut,
    ErrorEvent,
    Fault,
    Garbage,
    Gate,
    Hold,
    Served,
    Silence,
    count_tokens,
)
from orchestration.tests.providers.anthropic_server import AnthropicServer
from orchestration.tests.providers.openai_server import OpenAIServer
from orchestration.tests.providers.server import ProviderServer

__all__ = [
    "Answer",
    "AnthropicServer",
    "Cut",
    "ErrorEvent",
    "Fault",
    "Garbage",
    "Gate",
    "Hold",
    "OpenAIServer",
    "ProviderServer",
    "Served",
    "Silence",
    "count_tokens",
]
