"""Model providers for tests: real HTTP servers on loopback that implement the two wire formats in full.

    def test_two_answers(openai_server):
        openai_server.queue(Answer("Good morning."), Answer(status=429, retry_after="2"))
        ...                                       # let the product call openai_server.base_url
        first, second = openai_server.served      # the server's record, in the order of arrival
        assert first.usage == ...                 # the five buckets, as billed
        assert second.status == 429

**The choice of an answer.** The first of these with an answer left: rules in the order of creation
(`server.when("tax law", Answer(...))`: a text in the request, or a function of its JSON body; `model=` restricts it
to a model id; `always=True` repeats the last answer forever), then the queue, then `server.default`. Parallel
calls of a fan-out arrive in any order: give each its rule. `server.key = "secret"` rejects every other key with
401. A request that the real API would reject is rejected with 400, regardless of the script.

**An `Answer`** has the content, the pace and the faults; see its fields. `at={n: fault}` applies a fault once n
text pieces are sent (0: after the response's head, the opening events and the reasoning): `Cut()`,
`Cut(reset=True)`, `Silence()`, `Garbage()`, `ErrorEvent()`, or `Hold(gate)`. A `Gate` makes a test deterministic:
the server waits there (`gate.wait_until_reached()`) until the test calls `gate.open()`. `finish_reason=None` ends
the stream cleanly without one.

**`Served`**, one per request, is the provider's own ledger: body, headers, model, request id, status, the text it
sent, `usage` as billed (zero for an HTTP error; the tokens generated so far for a cut stream), whether that usage
was sent to the client, and whether the client disconnected. `served.wait()` returns once the exchange is over.

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
