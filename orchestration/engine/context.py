"""What a call is told: the system prompt, the transcript as the called one sees it, and how much of it fits."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from orchestration.engine.specs import (
    AgentSpec,
    ChatMessage,
    HistoryMessage,
    ModelRequest,
    ModelSpec,
    Purpose,
    SummarySpec,
    TurnSpec,
)
from orchestration.engine.tokens import estimate_input, estimate_tokens

MANAGER_NAME = "Manager"
LINE_OVERHEAD = 8
"""Tokens that a speaker's name and the chat template add to a message."""

LISTS = (
    ("Key facts", "key_facts"),
    ("Decisions", "decisions"),
    ("Open questions", "open_questions"),
    ("Action items", "action_items"),
)


@dataclass(frozen=True, slots=True)
class Window:
    """How a model's context window is divided, in tokens."""

    window: int
    output_reserve: int
    overhead_reserve: int

    @property
    def input_budget(self) -> int:
        return self.window - self.output_reserve - self.overhead_reserve


def window_of(model: ModelSpec, max_output_tokens: int | None = None) -> Window:
    """Return the division: a fifth (at most) for the answer, a twentieth (1,024 at least) for what estimates miss."""
    size = model.context_window
    output = min(max_output_tokens or model.max_output_tokens, model.max_output_tokens, size // 5)
    return Window(size, output, max(1024, size // 20))


def agent_system(spec: TurnSpec, agent: AgentSpec) -> str:
    """Return the agent's role prompt with the council it sits in and the order to speak only for itself."""
    role = agent.role_prompt.strip() or f"You are {agent.name}, a helpful and candid expert."
    if spec.mode == "direct":
        return role
    parts = [
        role,
        f"You are {agent.name} (@{agent.key}), a member of the council {spec.room_name!r}. Its members:\n"
        + roster_lines(spec, agent.key),
        f"The council's goal: {spec.goal.strip()}" if spec.goal.strip() else "",
        "Messages of other members are shown to you as [Name (@key)]: text. Speak only for yourself, as "
        f"{agent.name}. Never write, quote in advance or imagine what another member or the user says next, and do not "
        "open your answer with your own name.",
    ]
    return "\n\n".join(part for part in parts if part)


def roster_lines(spec: TurnSpec, own_key: str | None = None) -> str:
    return "\n".join(
        f"- @{member.key}: {member.name}{' (you)' if member.key == own_key else ''}" for member in spec.roster
    )


def summary_block(summary: SummarySpec | None) -> str:
    """Return a summary as a part of a system prompt; empty where there is none."""
    if summary is None:
        return ""
    parts = [f"Summary of the conversation so far:\n{summary.text}"]
    for title, field in LISTS:
        items = getattr(summary, field)
        if items:
            parts.append(f"{title}:\n" + "\n".join(f"- {item.text}" for item in items))
    return "\n\n".join(parts)


def transcript_for(viewer_key: str | None, lines: Iterable[HistoryMessage]) -> list[ChatMessage]:
    """Return messages as one member sees them: its own as assistant, everybody else's as user text with a name.

    `viewer_key` is an agent's key, None for the manager.
    """
    messages: list[ChatMessage] = []
    for line in lines:
        own = (
            line.role == "manager"
            if viewer_key is None
            else line.role == "agent" and line.agent_key == viewer_key
        )
        if own:
            messages.append(ChatMessage("assistant", line.text))
        elif line.role == "user":
            messages.append(ChatMessage("user", line.text))
        else:
            messages.append(ChatMessage("user", f"[{speaker_of(line)}]: {line.text}"))
    return messages


def speaker_of(line: HistoryMessage) -> str:
    """Return how a message's speaker is named to others."""
    if line.role == "user":
        return "User"
    return f"{line.agent_name} (@{line.agent_key})" if line.role == "agent" else MANAGER_NAME


def merge_roles(messages: Iterable[ChatMessage]) -> tuple[ChatMessage, ...]:
    """Join neighbours of one role: many chat templates refuse two user messages in a row."""
    merged: list[ChatMessage] = []
    for message in messages:
        if merged and merged[-1].role == message.role:
            merged[-1] = replace(merged[-1], text=f"{merged[-1].text}\n\n{message.text}")
        else:
            merged.append(message)
    return tuple(merged)


def line_tokens(line: HistoryMessage) -> int:
    return estimate_tokens(line.text) + LINE_OVERHEAD


def calibrated(tokens: int, model: ModelSpec) -> int:
    """Return an estimate as this model's provider would count it."""
    return -(-int(tokens * model.calibration * 1000) // 1000)


def least_input(spec: TurnSpec, agent: AgentSpec) -> int:
    """Return the tokens that no pruning can spare: the agent's system prompt and the user's message."""
    fixed = estimate_tokens(agent_system(spec, agent)) + estimate_tokens(spec.message) + 2 * LINE_OVERHEAD
    return calibrated(fixed, agent.model)


def full_input(spec: TurnSpec, agent: AgentSpec) -> int:
    """Return the tokens of an agent's whole context: nothing pruned, nothing summarized anew."""
    rest = estimate_tokens(summary_block(spec.summary)) + sum(line_tokens(line) for line in spec.history)
    return least_input(spec, agent) + calibrated(rest, agent.model)


@dataclass(frozen=True, slots=True)
class Prompt:
    """What one call is to be told, before it is made to fit."""

    model: ModelSpec
    purpose: Purpose
    system: str
    viewer_key: str | None
    ask: str = ""
    """What is asked after everything that was said; empty: just the user's message."""
    said: tuple[HistoryMessage, ...] = ()
    """Answers of this turn that the called one may hear."""
    max_output_tokens: int | None = None
    temperature: float | None = None
    json_schema: dict[str, object] | None = None
    speaker_name: str = MANAGER_NAME
    speaker_role: str = ""


def build_request(spec: TurnSpec, prompt: Prompt) -> tuple[ModelRequest, dict[str, int]]:
    """Return the request and the audit of its context. What does not fit is left out, the oldest first.

    Audit, in tokens and messages: `window`, `input_budget`, `estimate_raw` (uncalibrated), `estimate_before`,
    `estimate_after`, `summarized` (1: an earlier part is in a summary), `pruned`.
    """
    model = prompt.model
    window = window_of(model, prompt.max_output_tokens)
    summary = summary_block(spec.summary)
    system = f"{prompt.system}\n\n{summary}" if summary else prompt.system
    fixed = (
        estimate_tokens(system)
        + estimate_tokens(spec.message)
        + estimate_tokens(prompt.ask)
        + 3 * LINE_OVERHEAD
    )
    costs = [line_tokens(line) for line in (*spec.history, *prompt.said)]
    total, pruned = fixed + sum(costs), 0
    before = total
    while pruned < len(costs) and calibrated(total, model) > window.input_budget:
        total -= costs[pruned]
        pruned += 1
    history = spec.history[pruned:]
    said = prompt.said[max(0, pruned - len(spec.history)) :]
    now = [ChatMessage("user", spec.message)] if spec.message else []
    asked = [ChatMessage("user", prompt.ask)] if prompt.ask else []
    messages = merge_roles(
        [*transcript_for(prompt.viewer_key, history), *now, *transcript_for(prompt.viewer_key, said), *asked]
    )
    request = ModelRequest(
        model=model,
        system=system,
        messages=messages,
        max_output_tokens=window.output_reserve,
        purpose=prompt.purpose,
        temperature=prompt.temperature if model.temperature else None,
        json_schema=prompt.json_schema if model.json_schema else None,
        speaker_name=prompt.speaker_name,
        speaker_role=prompt.speaker_role,
    )
    raw = estimate_input(request)
    audit = {
        "window": window.window,
        "input_budget": window.input_budget,
        "estimate_raw": raw,
        "estimate_before": calibrated(before, model),
        "estimate_after": calibrated(raw, model),
        "summarized": int(spec.summary is not None),
        "pruned": pruned,
    }
    return request, audit


def reply_prompt(
    spec: TurnSpec, agent: AgentSpec, *, said: Sequence[HistoryMessage] = (), instruction: str = ""
) -> Prompt:
    """Return what an agent is told: earlier answers of this turn it may hear, and the manager's instruction."""
    ask = f"[{MANAGER_NAME}, to you alone]: {instruction}" if instruction else ""
    return Prompt(
        model=agent.model,
        purpose="reply",
        system=agent_system(spec, agent),
        viewer_key=agent.key,
        ask=ask,
        said=tuple(said),
        max_output_tokens=agent.max_output_tokens,
        temperature=agent.temperature,
        speaker_name=agent.name,
        speaker_role=agent.role_prompt,
    )
