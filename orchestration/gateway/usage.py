"""What reads a provider's usage object as five disjoint buckets; the module of each wire format has its own reader.

Whatever an object holds, a report comes of it: what does not add up is flagged and kept with the raw object, never
dropped.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Literal

from orchestration.engine.specs import Usage, UsageReport
from orchestration.gateway.kinds import KINDS
from orchestration.gateway.sse import clean

MAX_TOKENS = 2**53
"""A count above this is no count."""
MAX_DEPTH = 10
"""Levels of a raw object that are kept."""

NO_FIGURE = UsageReport(Usage(), "estimated", None, ("missing_input", "missing_output"))
"""A whole answer whose provider said nothing about usage: the caller estimates both sides."""

CACHE_CREATION_KEYS = frozenset({"ephemeral_5m_input_tokens", "ephemeral_1h_input_tokens"})
"""The names that `split_writes` reads in `cache_creation`."""


class Figures:
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


def total_input_told(raw: Mapping[str, Any]) -> int | None:
    """Return the total input that a usage object of any wire format tells; None where it tells none."""
    told = (kind.wire_class().total_input(raw) for kind in KINDS.values() if kind.wire)
    return next((total for total in told if total is not None), None)


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


def split_writes(figures: Figures, written: int | None) -> tuple[int, int]:
    """Return cache writes by lifetime, 5 minutes and 1 hour. Without a split all are 5-minute writes."""
    write_5m = figures.count("ephemeral_5m_input_tokens", "cache_creation") or 0
    write_1h = figures.count("ephemeral_1h_input_tokens", "cache_creation") or 0
    if written is None or written == write_5m + write_1h:
        return write_5m, write_1h
    if write_5m + write_1h:
        figures.flag("input_mismatch")
    write_1h = min(write_1h, written)
    return written - write_1h, write_1h
