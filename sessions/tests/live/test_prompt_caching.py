"""A council's prompts repeat from turn to turn, so that providers read most of them from their caches.

The caches are worked out here from the requests that arrived, as the providers document them: OpenAI caches beginnings
of 1,024 tokens and more by itself, in steps of 128; Anthropic caches up to the marks in a request, of 1,024 tokens and
more.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

import pytest

from orchestration.tests.providers import Answer, AnthropicServer, OpenAIServer
from orchestration.tests.providers.anthropic_server import text_of
from sessions.models import Turn
from sessions.tests.factories import make_agent, make_room, make_session

pytestmark = pytest.mark.django_db(transaction=True)

AGENTS = ("ana", "bob", "eve")
TURNS = 10
LONG = "The lease runs for ten years, and the roof is older than that. " * 24
"""An answer of about 1,500 characters."""
LEAST_TOKENS, STEP_TOKENS, CHARS_PER_TOKEN = 1024, 128, 4


@pytest.mark.parametrize("mode", ["manual", "roundtable"])
def test_openai_reads_most_input_from_its_cache(
    api, alice, openai_model, openai_server: OpenAIServer, mode
) -> None:
    openai_server.default = Answer(LONG)
    ask_ten_times(api, alice, openai_model, mode)
    assert read_share(openai_reads(served.body for served in openai_server.served)) > 0.6


@pytest.mark.parametrize("mode", ["manual", "roundtable"])
def test_anthropic_reads_most_input_from_its_cache(
    api, alice, anthropic_model, anthropic_server: AnthropicServer, mode
) -> None:
    anthropic_server.default = Answer(LONG)
    ask_ten_times(api, alice, anthropic_model, mode)
    assert read_share(anthropic_reads(served.body for served in anthropic_server.served)) > 0.6


def ask_ten_times(api, alice, model, mode: str) -> None:
    agents = [make_agent(alice, key, model) for key in AGENTS]
    session = make_session(alice, make_room(alice, *agents, mode=mode))
    for number in range(TURNS):
        response = api.post(f"sessions/{session.pk}/turns", {"message": f"@all What about point {number}?"})
        assert response.status_code == 201
    assert Turn.objects.filter(status="completed").count() == TURNS


Read = tuple[int, int]
"""Tokens of a prompt: read from the cache, and all."""


def read_share(reads: Sequence[Read]) -> float:
    return sum(read for read, _ in reads) / sum(total for _, total in reads)


def openai_reads(bodies: Iterable[dict[str, Any]]) -> list[Read]:
    seen: list[str] = []
    reads = []
    for body in bodies:
        prompt = json.dumps(body["messages"])
        tokens = max((common(prompt, each) for each in seen), default=0) // CHARS_PER_TOKEN
        cached = tokens // STEP_TOKENS * STEP_TOKENS if tokens >= LEAST_TOKENS else 0
        reads.append((cached, len(prompt) // CHARS_PER_TOKEN))
        seen.append(prompt)
    return reads


def common(one: str, other: str) -> int:
    """Return the length of the common beginning."""
    return next(
        (at for at, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other))
    )


def anthropic_reads(bodies: Iterable[dict[str, Any]]) -> list[Read]:
    written: set[str] = set()
    reads = []
    for body in bodies:
        blocks = [("system", body["system"]), *((each["role"], each["content"]) for each in body["messages"])]
        beginnings, marked, text = [], [], ""
        for role, content in blocks:
            text += f"{role}: {text_of(content)}\n"
            beginnings.append(text)
            if "cache_control" in str(content):
                marked.append(text)
        # Looked for at up to 20 blocks before each mark.
        candidates = [each for each in beginnings if each in written and len(marked[-1]) >= len(each)]
        cached = max(map(len, candidates), default=0)
        reads.append((cached // CHARS_PER_TOKEN, len(text) // CHARS_PER_TOKEN))
        written.update(each for each in marked if len(each) // CHARS_PER_TOKEN >= LEAST_TOKENS)
    return reads
