"""A provider's usage object as five disjoint buckets.

Sources: OpenAI API reference, "The chat completion chunk object" and the guide "Prompt caching"; OpenRouter, "Usage
accounting"; DeepSeek, "Context caching"; Google, "OpenAI compatibility"; Ollama, "OpenAI compatibility"; Anthropic,
"Prompt caching" and "Streaming messages". Whatever an object holds, a report comes of it: what does not add up is
flagged and kept with the raw object, never dropped.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any, Literal

from orchestration.engine.specs import Usage, UsageReport
from orchestration.gateway.sse import clean

MAX_TOKENS = 2**53
"""A count above this is no count."""
MAX_DEPTH = 10
"""Levels of a raw object that are kept."""
MAX_COST_USD = Decimal(1_000_000)
COST_STEP = Decimal("1e-12")

NO_FIGURE = UsageReport(Usage(), "estimated", None, ("missing_input", "missing_output"))
"""A whole answer whose provider said nothing about usage: the caller estimates both sides."""

OPENAI_KEYS: Mapping[str, frozenset[str]] = {
    "": frozenset(
        {
            "prompt_tokens",
            "completion_tokens",
            "total_tokens",
            "prompt_tokens_details",
            "completion_tokens_details",
        }
        # OpenRouter
        | {
            "cost",
            "cost_details",
            "is_byok",
            "cache_creation",
            "server_tool_use",
            "service_tier",
            "iterations",
        }
        # DeepSeek, Groq
        | {"prompt_cache_hit_tokens", "prompt_cache_miss_tokens"}
        | {"queue_time", "prompt_time", "completion_time", "total_time"}
    ),
    "prompt_tokens_details": frozenset(
        {"cached_tokens", "cache_write_tokens", "audio_tokens", "text_tokens", "image_tokens", "video_tokens"}
    ),
    "completion_tokens_details": frozenset(
        {"reasoning_tokens", "audio_tokens", "text_tokens", "image_tokens"}
        | {"accepted_prediction_tokens", "rejected_prediction_tokens"}
    ),
    "cache_creation": frozenset({"ephemeral_5m_input_tokens", "ephemeral_1h_input_tokens"}),
}
ANTHROPIC_KEYS: Mapping[str, frozenset[str]] = {
    "": frozenset(
        {
            "input_tokens",
            "output_tokens",
            "cache_creation_input_tokens",
            "cache_read_input_tokens",
            "cache_creation",
        }
        | {"output_tokens_details", "server_tool_use", "service_tier", "inference_geo", "speed", "iterations"}
    ),
    "cache_creation": OPENAI_KEYS["cache_creation"],
    "output_tokens_details": frozenset({"thinking_tokens"}),
}


class _Figures:
    """Reads counts out of an untrusted object and collects what is odd about it."""

    def __init__(self, raw: Mapping[str, Any], known: Mapping[str, frozenset[str]]) -> None:
        self.raw = raw
        self.flags: list[str] = []
        for where, names in known.items():
            inner = raw if not where else raw.get(where)
            if isinstance(inner, Mapping):
                prefix = f"{where}." if where else ""
                for name in inner:
                    if name not in names:
                        self.flag(f"unknown_key:{prefix}{clean(str(name))[:80]}")

    def flag(self, flag: str) -> None:
        if flag not in self.flags:
            self.flags.append(flag)

    def count(self, name: str, inside: str = "") -> int | None:
        """Return a count; None where it is absent, null, or no count (which is flagged)."""
        holder = self.raw.get(inside) if inside else self.raw
        value = holder.get(name) if isinstance(holder, Mapping) else None
        if value is None:
            return None
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= MAX_TOKENS:
            self.flag(f"bad_value:{name}")
            return None
        return value

    def report(self, usage: Usage, cost_usd: str | None = None) -> UsageReport:
        """Return the report; `estimated` where a side is missing that the caller has to fill in."""
        missing = {"missing_input", "missing_output"} & set(self.flags)
        source: Literal["provider", "estimated"] = "estimated" if missing else "provider"
        return UsageReport(usage, source, storable(dict(self.raw)), tuple(self.flags), cost_usd)


def openai_report(raw: Mapping[str, Any]) -> UsageReport:
    """Return the report of an OpenAI-shaped usage object, whose `prompt_tokens` include what was cached."""
    figures = _Figures(raw, OPENAI_KEYS)
    prompt = figures.count("prompt_tokens")
    completion = figures.count("completion_tokens")
    total = figures.count("total_tokens")
    read = figures.count("cached_tokens", "prompt_tokens_details")
    read = (figures.count("prompt_cache_hit_tokens") if read is None else read) or 0
    written = figures.count("cache_write_tokens", "prompt_tokens_details") or 0
    write_5m, write_1h = _split_writes(figures, written)
    if not prompt:
        # Ollama leaves the count out, or sends 0, for a prompt that it had evaluated before.
        figures.flag("missing_input")
    elif read + write_5m + write_1h > prompt:
        figures.flag("input_mismatch")
    fresh = max(0, (prompt or 0) - read - write_5m - write_1h)
    if completion is None:
        figures.flag("missing_output")
    output, reasoning = _output(figures, prompt, completion or 0, total)
    usage = Usage(fresh, read, write_5m, write_1h, output, min(reasoning, output))
    return figures.report(usage, _cost(figures))


def anthropic_report(raw: Mapping[str, Any]) -> UsageReport:
    """Return the report of an Anthropic usage object, whose `input_tokens` are without cache reads and writes."""
    figures = _Figures(raw, ANTHROPIC_KEYS)
    fresh = figures.count("input_tokens") or 0
    read = figures.count("cache_read_input_tokens") or 0
    write_5m, write_1h = _split_writes(figures, figures.count("cache_creation_input_tokens"))
    if not fresh + read + write_5m + write_1h:
        figures.flag("missing_input")
    output = figures.count("output_tokens")
    if output is None:
        figures.flag("missing_output")
    reasoning = figures.count("thinking_tokens", "output_tokens_details") or 0
    if reasoning > (output or 0):
        figures.flag("output_mismatch")
    usage = Usage(fresh, read, write_5m, write_1h, output or 0, min(reasoning, output or 0))
    return figures.report(usage)


def anthropic_merged(start: Mapping[str, Any], delta: Mapping[str, Any]) -> dict[str, Any]:
    """Return `message_start.usage` brought up to date by `message_delta.usage`: cumulative, so the last word counts."""
    return {**start, **{name: value for name, value in delta.items() if value is not None}}


def total_input_told(raw: Mapping[str, Any]) -> int | None:
    """Return the total input that a usage object of either shape tells; None where it tells none."""
    figures = _Figures(raw, {})
    prompt, fresh = figures.count("prompt_tokens"), figures.count("input_tokens")
    if prompt is not None or fresh is None:
        return prompt
    writes = _split_writes(figures, figures.count("cache_creation_input_tokens"))
    return fresh + (figures.count("cache_read_input_tokens") or 0) + sum(writes)


def storable(value: Any, depth: int = 0) -> Any:
    """Return a JSON value that every database stores: no NaN or infinity, no NUL, no lone surrogate, not too deep."""
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, (Mapping, list)) and depth >= MAX_DEPTH:
        return None
    if isinstance(value, Mapping):
        return {clean(str(name)): storable(inner, depth + 1) for name, inner in value.items()}
    if isinstance(value, list):
        return [storable(inner, depth + 1) for inner in value]
    return value


def _split_writes(figures: _Figures, written: int | None) -> tuple[int, int]:
    """Return cache writes by lifetime, 5 minutes and 1 hour. Without a split all are 5-minute writes."""
    write_5m = figures.count("ephemeral_5m_input_tokens", "cache_creation") or 0
    write_1h = figures.count("ephemeral_1h_input_tokens", "cache_creation") or 0
    if written is None or written == write_5m + write_1h:
        return write_5m, write_1h
    if write_5m + write_1h:
        figures.flag("input_mismatch")
    write_1h = min(write_1h, written)
    return written - write_1h, write_1h


def _output(figures: _Figures, prompt: int | None, completion: int, total: int | None) -> tuple[int, int]:
    """Return output and reasoning of an OpenAI-shaped object.

    Gemini-shaped objects leave thoughts out of `completion_tokens` and count them in `total_tokens` only, with or
    without naming them in `reasoning_tokens`.
    """
    reasoning = figures.count("reasoning_tokens", "completion_tokens_details") or 0
    beyond = total - prompt - completion if total is not None and prompt else 0
    if beyond > 0 and reasoning in (0, beyond):
        if not reasoning:
            figures.flag("output_mismatch")
        return completion + beyond, beyond
    if beyond != 0:
        figures.flag("output_mismatch")
    if reasoning > completion:
        figures.flag("output_mismatch")
        if total is None:
            # Then it lies outside, as far as anybody can tell.
            return completion + reasoning, reasoning
    return completion, reasoning


def _cost(figures: _Figures) -> str | None:
    """Return OpenRouter's `cost` in USD as a decimal string of at most 12 places."""
    value = figures.raw.get("cost")
    if value is None:
        return None
    try:
        cost = (
            Decimal(str(value)) if isinstance(value, (int, float)) and not isinstance(value, bool) else None
        )
    except InvalidOperation:
        cost = None
    if cost is None or not cost.is_finite() or not 0 <= cost <= MAX_COST_USD:
        figures.flag("bad_value:cost")
        return None
    return format(cost.quantize(COST_STEP).normalize(), "f")
