"""The output limit of a call: where it comes from, and what to raise if a model used all of it for thinking."""

from __future__ import annotations

from orchestration.engine.context import window_of
from orchestration.engine.ports import CallError
from orchestration.engine.purposes import Purpose
from orchestration.engine.specs import AgentSpec, ModelRequest

SETTINGS = {
    Purpose.ROUTE: "PANTHEON_MANAGER_MAX_TOKENS",
    Purpose.EVALUATE: "PANTHEON_MANAGER_MAX_TOKENS",
    Purpose.SUMMARIZE: "PANTHEON_SUMMARIZER_MAX_TOKENS",
}
"""The settings that limit calls which no agent makes."""


def limit_name(request: ModelRequest, agent: AgentSpec | None) -> str:
    """Return what to raise for a longer answer: a setting, or a field of the agent or the model."""
    model, limit = request.model, request.max_output_tokens
    if limit == window_of(model).window // 5 and limit < model.max_output_tokens:
        return f"the context window of the model {model.alias}, of which an answer gets a fifth"
    if request.purpose in SETTINGS and limit < model.max_output_tokens:
        return SETTINGS[request.purpose]
    if agent is not None and agent.max_output_tokens and limit < model.max_output_tokens:
        return f"max output tokens of the agent @{agent.key}"
    return f"max output tokens of the model {model.alias}"


def used_up(tokens: int, request: ModelRequest, agent: AgentSpec | None) -> CallError:
    """Return the error of a call without an answer, whose output limit is used up."""
    cure = f"raise {limit_name(request, agent)}"
    if request.reasoning_effort not in ("", "none"):
        cure += ", or lower the reasoning effort"
    return CallError(
        "output_limit",
        f"All {tokens:,} tokens went into thinking; {cure}.",
        retryable=False,
    )
