"""Parse a provider's usage object into five disjoint buckets; each wire format's module has its own parser.

Every object yields a report: inconsistencies are flagged and kept with the raw object, never dropped, because the
call must be billed.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import islice
from typing import Any, Literal

from orchestration.engine.specs import Usage, UsageReport
from orchestration.gateway.kinds import KINDS
from orchestration.gateway.sse import clean

MAX_TOKENS = 2**53
"""Larger values are not valid counts."""
MAX_DEPTH = 10
"""Maximum depth of a stored raw object."""
MAX_VALUES = 50
"""Maximum values inside a value of a usage object."""
MAX_VALUE_CHARS = 500
"""Maximum length of a text in a usage object."""
MAX_UNKNOWN_KEYS = 20
"""Maximum unknown keys of an object that are read and flagged."""

MAX_FLAGS = 50
"""Maximum flags of an answer with several usage objects."""

NO_FIGURE = UsageReport(Usage(), "estimated", None, ("missing_input", "missing_output"))
"""For a complete answer without usage from the provider: the caller estimates both sides."""

CACHE_CREATION_KEYS = frozenset({"ephemeral_5m_input_tokens", "ephemeral_1h_input_tokens"})
"""The names in `cache_creation` that `split_writes` reads."""


def readable(raw: Mapping[str, Any], known: Mapping[str, frozenset[str]]) -> dict[str, Any]:
    """Return a usage object as far as it is read: its known keys, and a few others.

    Objects of one answer are merged and parsed again and again, so a large one would keep everybody else waiting.
    """
    names = [name for name in known[""] if name in raw]
    names += islice((name for name in raw if name not in known[""]), MAX_UNKNOWN_KEYS)
    return {name[:MAX_VALUE_CHARS]: _limited(raw[name], 1, iter(range(MAX_VALUES))) for name in names}


def _limited(value: Any, depth: int, places: Iterator[int]) -> Any:
    """Return a value of a readable object; each of its parts takes one of the places."""
    if isinstance(value, str):
        return value[:MAX_VALUE_CHARS]
    if isinstance(value, (Mapping, list)) and depth >= MAX_DEPTH:
        return None
    # The places come first: `zip` takes no part that it has no place for.
    if isinstance(value, Mapping):
        parts = zip(places, value.items(), strict=False)
        return {name[:MAX_VALUE_CHARS]: _limited(inner, depth + 1, places) for _, (name, inner) in parts}
    if isinstance(value, list):
        return [_limited(inner, depth + 1, places) for _, inner in zip(places, value, strict=False)]
    return value


class UsageFigures:
    """Reads counts from an untrusted object and collects flags for anything unexpected."""

    def __init__(self, raw: Mapping[str, Any], known: Mapping[str, frozenset[str]]) -> None:
        self.raw = raw
        self.flags: list[str] = []
        for where, names in known.items():
            inner = raw if not where else raw.get(where)
            if isinstance(inner, Mapping):
                prefix = f"{where}." if where else ""
                unknown = islice((name for name in inner if name not in names), MAX_UNKNOWN_KEYS)
                for name in unknown:
                    self.flag(f"unknown_key:{prefix}{clean(str(name))[:80]}")

    def flag(self, flag: str) -> None:
        if flag not in self.flags:
            self.flags.append(flag)

    def count(self, name: str, inside: str = "") -> int | None:
        """Return a count; None if it is absent, null or invalid (which is flagged)."""
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
        """Return the report; `estimated` if the caller has to fill in a missing side."""
        missing = {"missing_input", "missing_output"} & set(self.flags)
        source: Literal["provider", "estimated"] = "estimated" if missing else "provider"
        return UsageReport(usage, source, storable(dict(self.raw)), tuple(self.flags), cost_usd)


STANDARD_TIERS = frozenset({"", "auto", "default", "standard", "standard_only", "on_demand", "none"})
"""Service tiers with the prices of the price list: OpenAI, Anthropic and Groq ("on_demand")."""
STANDARD_SPEEDS = frozenset({"", "standard", "none"})
STANDARD_REGIONS = frozenset({"", "global", "not_available", "none"})


def tier_flags(*, service_tier: Any = None, speed: Any = None, region: Any = None) -> tuple[str, ...]:
    """Return the flags for prices other than those of the list, such as `service_tier:priority`."""
    checked = (
        ("service_tier", service_tier, STANDARD_TIERS),
        ("speed", speed, STANDARD_SPEEDS),
        ("inference_geo", region, STANDARD_REGIONS),
    )
    return tuple(
        f"{name}:{clean(str(value))[:40]}"
        for name, value, usual in checked
        if str(value if value is not None else "").strip().lower().replace("-", "_") not in usual
    )


def flagged(report: UsageReport, flags: tuple[str, ...]) -> UsageReport:
    """Return a report with further flags."""
    new = tuple(flag for flag in flags if flag not in report.flags)
    return replace(report, flags=(*report.flags, *new)) if new else report


USAGE_FELL = "usage_fell"
"""Flag of an answer with several usage objects of which a later one has smaller counts."""


def merged(before: UsageReport | None, new: UsageReport) -> UsageReport:
    """Return the usage after a further object of the same answer. Counts are cumulative: the larger one counts."""
    if before is None:
        return new
    by_input = new if new.usage.total_input >= before.usage.total_input else before
    by_output = new if new.usage.output >= before.usage.output else before
    cost = new.provider_cost_usd or before.provider_cost_usd
    if by_input is new and by_output is new:
        fell = (USAGE_FELL,) if USAGE_FELL in before.flags else ()
        return flagged(replace(new, provider_cost_usd=cost), fell)
    usage = replace(by_input.usage, output=by_output.usage.output, reasoning=by_output.usage.reasoning)
    flags = [*by_input.flags, *by_output.flags]
    filled = {"missing_input": usage.total_input, "missing_output": usage.output}
    # An object without a count does not contradict an earlier one with it.
    told = (by_input is before and "missing_input" not in new.flags) or (
        by_output is before and "missing_output" not in new.flags
    )
    kept = tuple(flag for flag in dict.fromkeys(flags) if not filled.get(flag))[:MAX_FLAGS]
    source: Literal["provider", "estimated"] = "estimated" if set(kept) & set(filled) else "provider"
    report = UsageReport(usage, source, by_input.raw, kept, cost)
    return flagged(report, (USAGE_FELL,) if told else ())


def total_input_told(raw: Mapping[str, Any]) -> int | None:
    """Return the total input in a usage object of any wire format; None if it has none."""
    told = (kind.wire_class().total_input(raw) for kind in KINDS.values() if kind.wire)
    return next((total for total in told if total is not None), None)


def storable(value: Any, depth: int = 0) -> Any:
    """Return a JSON value that every database can store: no NaN, infinity, NUL, lone surrogates or deep nesting."""
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


def split_writes(figures: UsageFigures, written: int | None) -> tuple[int, int]:
    """Return cache writes by lifetime, 5 minutes and 1 hour. Without a split all are 5-minute writes."""
    write_5m = figures.count("ephemeral_5m_input_tokens", "cache_creation") or 0
    write_1h = figures.count("ephemeral_1h_input_tokens", "cache_creation") or 0
    if written is None or written == write_5m + write_1h:
        return write_5m, write_1h
    if write_5m + write_1h:
        figures.flag("input_mismatch")
    # The total counts, since it is what the provider bills; the split only divides it.
    write_1h = min(write_1h, written)
    return written - write_1h, write_1h
