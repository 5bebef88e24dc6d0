"""Reasoning effort: how much a model is asked to think before it answers."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from orchestration.engine.specs import ModelRequest, ModelSpec

EFFORTS = ("none", "minimal", "low", "medium", "high", "xhigh", "max")
"""From least to most. Source: OpenAI's API reference, "reasoning_effort"."""
LABELS = {
    "none": "None",
    "minimal": "Minimal",
    "low": "Low",
    "medium": "Medium",
    "high": "High",
    "xhigh": "Extra high",
    "max": "Maximum",
}
FIELD = "reasoning_effort"
"""The field's key where refused fields are recorded: no effort is sent."""


def refused_key(effort: str) -> str:
    """Return the key of one refused effort, beside which others may be sent."""
    return f"{FIELD}={effort}"


def effort_for(model: ModelSpec, wanted: str = "") -> str:
    """Return the effort to ask a model for: the wanted one, else the model's; empty: none is sent.

    If the model's efforts are known, it is the nearest of them.
    """
    wanted = wanted or model.reasoning_effort
    if not wanted or FIELD in model.unsupported:
        return ""
    if model.reasoning_efforts:
        return nearest(wanted, not_refused(model.reasoning_efforts, model.unsupported))
    return "" if refused_key(wanted) in model.unsupported else wanted


def effort_sent(request: ModelRequest) -> str:
    """Return a request's effort, without one that the server has refused since the request was made."""
    refused = {FIELD, refused_key(request.reasoning_effort)} & {*request.model.unsupported}
    return "" if refused else request.reasoning_effort


def not_refused(offered: Iterable[str], unsupported: Collection[str]) -> tuple[str, ...]:
    """Return the efforts that a model offers without the refused ones, from least to most."""
    known = {*offered}
    return tuple(each for each in EFFORTS if each in known and refused_key(each) not in unsupported)


def nearest(wanted: str, offered: Collection[str]) -> str:
    """Return the nearest of the offered efforts, of two the lower; empty if there is none.

    For any other effort, `none` is returned only if the model offers nothing else.
    """
    candidates = [each for each in offered if each != "none"] if wanted != "none" else [*offered]
    place = EFFORTS.index(wanted)
    return min(
        candidates or offered,
        key=lambda each: (abs(EFFORTS.index(each) - place), EFFORTS.index(each)),
        default="",
    )
