"""The kinds of flags by which calls are filtered, in the ledger, on *Costs*, in the API and in files."""

from __future__ import annotations

ANY_FLAG = "any"

FLAG_KINDS = {
    "other_model": "Another model answered",
    "cost_differs": "The provider's cost differs",
    "cost_in_parts": "Cost in parts",
    "service_tier:": "Other service tier",
    "speed:": "Other speed",
    "inference_geo:": "Other region",
    "input_cut": "Input cut by the server",
    "context_limit:": "Refused as too long",
    "output_unknown": "Output unknown",
    "upper_bound": "Upper bound for a hard budget",
    "usage_fell": "Usage fell",
}
"""The beginning of a flag -> its label."""

FLAG_CHOICES = {ANY_FLAG: "Any flag", **FLAG_KINDS}


def flag_label(flag: str) -> str:
    """Return a stored flag in words, with what follows its kind: `Other region: eu`."""
    for kind, label in FLAG_KINDS.items():
        if flag.startswith(kind):
            rest = flag.removeprefix(kind).strip(": ")
            return f"{label}: {rest}" if rest else label
    return flag
