"""Recognize errors that report a request as too long for a model, and read the figures in them.

Wordings: OpenAI, DeepSeek, vLLM, SGLang and OpenRouter ("maximum context length"), Anthropic ("prompt is too long"),
llama.cpp and LM Studio ("context size"), Google ("input token count"), xAI ("maximum prompt length"), Kimi ("model
token limit"), Mistral ("too large for model"), Groq and OpenAI ("Request too large", tokens per minute), Text
Generation Inference ("inputs tokens + max_new_tokens"), Alibaba ("Range of input length").
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from orchestration.gateway.error_bodies import ErrorFacts

OVERFLOW_CODES = frozenset(
    {
        *(
            "context_length_exceeded",
            "exceed_context_size_error",
            "context_exceeded",
            "context_window_exceeded",
        ),
        *(
            "contextwindowexceedederror",
            "model_context_window_exceeded",
            "token_limit_exceeded",
            "input_too_long",
        ),
        *("1261", "base_resp:1039"),
    }
)
ANY = r"\d[\d,]{0,15}"
"""A figure. Without a bound, a long run of digits would be read to its end from each of them."""
N = f"({ANY})"
OUTPUT = (
    # OpenAI, Groq, Anthropic, DeepSeek: the output limit alone is more than the model can do.
    rf"supports at most {N} completion tokens",
    rf"max_(?:completion_)?tokens['`\"]? must be less than or equal to [`'\"]?{N}",
    rf"max_tokens: {ANY} > {N}, which is the maximum allowed number of output tokens",
    rf"valid range of max_(?:completion_)?tokens is \[{ANY}, {N}\]",
)
LIMITS = (
    rf"maximum (?:context|model|prompt) length (?:is|of) (?:only )?{N}",
    rf"context length is (?:only )?{N}",
    rf"with context length of (?:only )?{N}",
    rf"with {N} maximum context length",
    rf"model's context length \({N}",
    rf"> {N} maximum",
    rf"exceed context limit: {ANY} \+ {ANY} > {N}",
    rf"available context size \({N}",
    rf"n_ctx: {N}",
    rf"maximum number of tokens allowed \({N}",
    rf"model token limit: {N}",
    rf"configured limit of {N}",
    rf"must be <= {N}",
    rf"input length should be \[{ANY}, {N}\]",
    rf"tokens per min\w* \(TPM\): Limit {N}",
    rf"context window of {N}",
    rf"cannot exceed {N}",
)
REQUESTED = (
    rf"requested (?:about |a total of )?{N} tokens",
    rf"\(requested: {N}\)",
    rf"Limit {ANY}, Requested {N}",
)
INPUT = (
    rf"\({N} (?:in (?:the |your )?(?:messages|prompt)|of text input)",
    rf"{N} tokens from the input messages",
    rf"(?:messages|prompt) resulted in {N} tokens",
    rf"(?:has|passed|Given:) {N} [`']?input",
    rf"prompt is too long: {N} tokens",
    rf"exceed context limit: {N} \+",
    rf"request \({N} tokens\)",
    rf"keep the first {N} tokens",
    rf"n_keep: {N}",
    rf"input token count \({N}\)",
    rf"(?:request|prompt) contains {N} tokens",
    rf"input \({N} tokens\)",
    rf"prompt \(length {N}\)",
    rf"Requested tokens \({N}\)",
    rf"received {N}",
)
ADDED = (
    rf"{N} (?:in the completion|for the completion|in the output)",
    rf"requested {N} output tokens",
    rf"and {N} [`']?max_new_tokens",
    rf"exceed context limit: {ANY} \+ {N}",
)
WORDS = re.compile(
    r"maximum context length|maximum model length|maximum prompt length|context (?:length|size|window|limit)"
    r"|prompt is too long|input (?:is )?too long|exceeded model token limit|token count .{0,40}exceeds"
    r"|too large for model|input length should be|max_new_tokens. must be|reduce the length of"
    r"|input tokens exceed|request too large for .{0,120}tokens per min|too many tokens",
    re.IGNORECASE | re.DOTALL,
)
EXCEEDS = re.compile(
    r"exceed|too long|too large|however|longer than|greater than|must be <=|should be|reduce|requested|only|overflow"
    r"|> *\d|but the",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Overflow:
    """A request that is too long; figures in tokens, None if the server gives none."""

    limit: int | None = None
    requested: int | None = None
    """The whole request, with the output limit if the server counts it."""
    input: int | None = None
    of_output: bool = False
    """Only the output limit is too large."""


def overflow_of(facts: ErrorFacts) -> Overflow | None:
    """Return the overflow that an error reports, None if it is about something else."""
    text = facts.text
    if (most := _figure(OUTPUT, text)) is not None:
        return Overflow(limit=most, of_output=True)
    says_so = WORDS.search(text) is not None and EXCEEDS.search(text) is not None
    if not (says_so or OVERFLOW_CODES & set(facts.codes) or "n_prompt_tokens" in facts.figures):
        return None
    limit = facts.figures.get("n_ctx") or _figure(LIMITS, text)
    given = facts.figures.get("n_prompt_tokens") or _figure(INPUT, text)
    added = _figure(ADDED, text)
    requested = _figure(REQUESTED, text)
    if requested is None and given is not None:
        requested = given + (added or 0)
    if given is None and requested is not None and added is not None:
        given = requested - added
    return Overflow(positive(limit), positive(requested), positive(given))


def positive(figure: int | None) -> int | None:
    """Return a figure that can be one of tokens: some servers report 0, or parts that are larger than the whole."""
    return figure if figure is not None and figure > 0 else None


def _figure(patterns: tuple[str, ...], text: str) -> int | None:
    """Return the first figure that a pattern finds."""
    for pattern in patterns:
        if (match := re.search(pattern, text, re.IGNORECASE)) is not None:
            return int(match[1].replace(",", "")[:15])
    return None
