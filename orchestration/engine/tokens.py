"""Token estimates, for text that no provider has counted."""

from __future__ import annotations

import re
from dataclasses import replace

from orchestration.engine.image_tokens import image_tokens
from orchestration.engine.specs import ModelRequest, Usage, UsageReport

BYTES_PER_TOKEN = 4
WITHOUT_SPACES = re.compile(r"[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u2e80-\ua4cf\uf900-\ufaff]+")
"""Thai, Lao, Burmese, Khmer, Chinese and Japanese."""
MESSAGE_OVERHEAD = 4
"""Tokens that a chat template adds per message."""


def estimate_tokens(text: str) -> int:
    """Return a token estimate: UTF-8 bytes / 4, which also fits scripts of two and three bytes a letter."""
    return tokens_of_bytes(utf8_bytes(text))


def utf8_bytes(text: str) -> int:
    return len(text.encode("utf-8", "surrogatepass"))


def tokens_of_bytes(size: int) -> int:
    """Return the token estimate of a text of this many bytes."""
    return -(-size // BYTES_PER_TOKEN)


def beginning(text: str, tokens: int) -> str:
    """Return the beginning of a text that fits into this many tokens."""
    size = max(0, tokens) * BYTES_PER_TOKEN
    return text[:size].encode("utf-8", "replace")[:size].decode("utf-8", "ignore")


def least_input_tokens(request: ModelRequest) -> int:
    """Return a lower bound of a request's input tokens for any tokenizer."""
    return sum(map(least_tokens, (request.system, *(message.text for message in request.messages))))


def least_tokens(text: str) -> int:
    """Return a lower bound of a text's tokens: a token holds at most one word, or in the mean four characters of a
    script that has no spaces."""
    words = len(text.split())
    if text.isascii():
        return words
    return words + (len(text) - len(WITHOUT_SPACES.sub("", text))) // 4


def estimate_input(request: ModelRequest) -> int:
    """Return the estimated input tokens of a whole request."""
    texts = sum(estimate_tokens(message.text) + MESSAGE_OVERHEAD for message in request.messages)
    images = request_image_tokens(request)
    return texts + images + estimate_tokens(request.system) + MESSAGE_OVERHEAD


def request_image_tokens(request: ModelRequest) -> int:
    """Return the tokens of a request's images, as their upper bound."""
    return sum(
        image_tokens(image, request.model) for message in request.messages for _, image in message.images
    )


def uncounted_input(request: ModelRequest) -> int:
    """Return the input tokens to bill if the provider gave no count.

    Calibrated, but never below the plain estimate: earlier calls must not make a cut call cheaper.
    """
    return round(estimate_input(request) * max(1.0, request.model.calibration))


def estimate_report(
    request: ModelRequest, partial: Usage | None, raw: dict[str, object] | None, received: str
) -> UsageReport:
    """Return the estimate for a cut call: the provider's partial count, else our estimate, plus the text received."""
    base = partial if partial is not None and partial.total_input else Usage(input=uncounted_input(request))
    output = max(partial.output if partial else 0, estimate_tokens(received))
    usage = replace(base, output=output, reasoning=0)
    return UsageReport(usage=usage, source="estimated", raw=raw)
