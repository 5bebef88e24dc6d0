"""What a call is told: the system prompt, the transcript as the called agent sees it, and how much of it fits."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from orchestration.engine.specs import (
    AgentSpec,
    ChatMessage,
    HistoryMessage,
    ModelRequest,
    ModelSpec,
    TurnSpec,
)
from orchestration.engine.tokens import estimate_input, estimate_tokens


@dataclass(frozen=True, slots=True)
class Window:
    """How a model's context window is divided, in tokens."""

    window: int
    output_reserve: int
    overhead_reserve: int

    @property
    def input_budget(self) -> int:
        return self.window - self.output_reserve - self.overhead_reserve


def window_of(model: ModelSpec) -> Window:
    """Return the division: a fifth (at most) for the answer, a twentieth (1,024 at least) for what estimates miss."""
    size = model.context_window
    return Window(size, min(model.max_output_tokens, size // 5), max(1024, size // 20))


def system_prompt(spec: TurnSpec, agent: AgentSpec) -> str:
    """Return the agent's role prompt with the council it sits in and the order to speak only for itself."""
    role = agent.role_prompt.strip() or f"You are {agent.name}, a helpful and candid expert."
    if spec.mode == "direct":
        return role
    members = "\n".join(
        f"- @{member.key}: {member.name}{' (you)' if member.key == agent.key else ''}"
        for member in spec.roster
    )
    parts = [
        role,
        f"You are {agent.name} (@{agent.key}), a member of the council {spec.room_name!r}. Its members:\n{members}",
        f"The council's goal: {spec.goal.strip()}" if spec.goal.strip() else "",
        "Messages of other members are shown to you as [Name (@key)]: text. Speak only for yourself, as "
        f"{agent.name}. Never write, quote in advance or imagine what another member or the user says next, and do not "
        "open your answer with your own name.",
    ]
    return "\n\n".join(part for part in parts if part)


def transcript_for(spec: TurnSpec, agent: AgentSpec, history: Iterable[HistoryMessage]) -> list[ChatMessage]:
    """Return the messages as `agent` sees them: its own as assistant, everybody else's as user text with a name."""
    messages: list[ChatMessage] = []
    for message in history:
        if message.role == "user":
            messages.append(ChatMessage("user", message.text))
        elif message.role == "agent" and message.agent_key == agent.key:
            messages.append(ChatMessage("assistant", message.text))
        else:
            speaker = f"{message.agent_name} (@{message.agent_key})" if message.role == "agent" else "Manager"
            messages.append(ChatMessage("user", f"[{speaker}]: {message.text}"))
    return messages


def merge_roles(messages: Iterable[ChatMessage]) -> tuple[ChatMessage, ...]:
    """Join neighbours of one role: many chat templates refuse two user messages in a row."""
    merged: list[ChatMessage] = []
    for message in messages:
        if merged and merged[-1].role == message.role:
            merged[-1] = replace(merged[-1], text=f"{merged[-1].text}\n\n{message.text}")
        else:
            merged.append(message)
    return tuple(merged)


def least_input(spec: TurnSpec, agent: AgentSpec) -> int:
    """Return the tokens that cannot be pruned: the agent's system prompt and the user's message."""
    return estimate_tokens(system_prompt(spec, agent)) + estimate_tokens(spec.message) + 2 * 4


def reply_request(spec: TurnSpec, agent: AgentSpec) -> tuple[ModelRequest, dict[str, int]]:
    """Return the request for an agent's answer and the audit of its context; the oldest messages go first.

    Audit, in tokens and messages: `window`, `input_budget`, `estimate_before`, `estimate_after`, `pruned`.
    """
    window = window_of(agent.model)
    history = list(spec.history)
    costs = [estimate_tokens(message.text) + estimate_tokens(message.agent_name) + 8 for message in history]
    least = least_input(spec, agent)
    total, pruned = least + sum(costs), 0
    while pruned < len(history) and total > window.input_budget:
        total -= costs[pruned]
        pruned += 1
    messages = merge_roles(
        [*transcript_for(spec, agent, history[pruned:]), ChatMessage("user", spec.message)]
    )
    request = ModelRequest(
        model=agent.model,
        system=system_prompt(spec, agent),
        messages=messages,
        max_output_tokens=min(
            agent.max_output_tokens or agent.model.max_output_tokens, window.output_reserve
        ),
        purpose="reply",
        temperature=agent.temperature if agent.model.temperature else None,
        speaker_name=agent.name,
        speaker_role=agent.role_prompt,
    )
    audit = {
        "window": window.window,
        "input_budget": window.input_budget,
        "estimate_before": least + sum(costs),
        "estimate_after": estimate_input(request),
        "pruned": pruned,
    }
    return request, audit
