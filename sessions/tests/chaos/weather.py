"""The provider: answers every purpose of a council, counts requests, and has moods."""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from orchestration.tests.providers import Answer, Cut, OpenAIServer, Served
from orchestration.tests.providers.exchange import Exchange
from sessions.tests.support.councils import EVALUATE, ROUTE, decision, last_text

AGENTS = ("ana", "bob", "cy")
MANAGER = "manager"
TAG = re.compile(r"\[q(\d+)\]")
"""Every question contains its number: the highest in a request is that of its turn."""

FAIR, SLOW, FAILING, CUTTING, GONE = "fair", "slow", "failing", "cutting", "gone"
MOODS = (SLOW, FAILING, CUTTING, GONE)


class Weather(OpenAIServer):
    """A provider whose mood any thread may change; it applies to later requests."""

    def __init__(self, seed: int) -> None:
        self.mood = FAIR
        self.struck = 0
        """Requests met by a mood other than fair weather."""
        self._random = random.Random(seed)
        super().__init__()

    def _next_answer(self, body: dict[str, Any]) -> Answer:
        answer = self._fair(body)
        if self.mood == FAIR:
            return answer
        self.struck += 1
        sends: dict[str, Callable[[Answer], Answer]] = {
            SLOW: lambda fair: replace(fair, first_delay_s=1.5, delay_s=0.15),
            FAILING: self._failing,
            CUTTING: self._cutting,
        }
        return sends[self.mood](answer) if self.mood in sends else answer

    async def _answer(self, exchange: Exchange) -> None:
        """Close the connection without a response while the provider is down."""
        if self.mood == GONE:
            self.struck += 1
            await exchange.cut(reset=True)
        await super()._answer(exchange)

    def _fair(self, body: dict[str, Any]) -> Answer:
        asked, draw = last_text(body), self._random
        if ROUTE in asked:
            return Answer(self._decision(), delay_s=0.02)
        if EVALUATE in asked:
            return Answer(self._decision() if draw.random() < 0.3 else decision(action="synthesize"))
        pieces = [f"word{draw.randrange(1000)} " for _ in range(draw.randrange(5, 12))]
        return Answer(pieces, first_delay_s=0.1, delay_s=0.06)

    def _decision(self) -> str:
        chosen = self._random.sample(AGENTS, self._random.randrange(1, 4))
        return decision(*((key, f"Say {self._random.randrange(10**6)}.") for key in chosen))

    def _failing(self, fair: Answer) -> Answer:
        if self._random.random() < 0.3:
            return fair
        return Answer(
            status=self._random.choice([429, 500, 529]), retry_after=self._random.choice([None, "0"])
        )

    def _cutting(self, fair: Answer) -> Answer:
        if self._random.random() < 0.3:
            return fair
        return replace(fair, at={self._random.randrange(4): Cut(reset=self._random.random() < 0.5)})


def question_of(text: str) -> int:
    """Return the number of the question in a text. Raises ValueError if it has none."""
    return max(int(number) for number in TAG.findall(text))


def asked_of(served: Served) -> tuple[int, str]:
    """Return the request's question and recipient: an agent's key, or the manager."""
    texts = "\n".join(message["content"] for message in served.body["messages"])
    system = served.body["messages"][0]["content"]
    key = next((key for key in AGENTS if f"You are {key.title()} (@{key})" in system), MANAGER)
    return question_of(texts), key
