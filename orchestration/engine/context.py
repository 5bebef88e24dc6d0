"""The context of a call: the system prompt, the transcript from one member's view, and pruning to the window."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import attrgetter

from orchestration.engine.efforts import effort_for
from orchestration.engine.purposes import Purpose
from orchestration.engine.specs import (
    AgentSpec,
    ChatMessage,
    HistoryMessage,
    ModelRequest,
    ModelSpec,
    SummarySpec,
    TurnSpec,
)
from orchestration.engine.tokens import BYTES_PER_TOKEN, MESSAGE_OVERHEAD, estimate_input, estimate_tokens

MANAGER_NAME = "Manager"
TO_AN_AGENT = f"{MANAGER_NAME}, to you alone"
TO_THE_MANAGER = "Council, to the manager alone"
LINE_OVERHEAD = 2 * MESSAGE_OVERHEAD
"""Tokens per message for the chat template and for the separator of merged messages."""
LEFT_OUT = "[Earlier messages are left out.]"
"""Inserted if a conversation would begin with an answer, which providers reject."""

LISTS = (
    ("Key facts", "key_facts"),
    ("Decisions", "decisions"),
    ("Open questions", "open_questions"),
    ("Action items", "action_items"),
)


@dataclass(frozen=True, slots=True)
class ContextWindow:
    """The division of a model's context window, in tokens."""

    window: int
    output_reserve: int
    overhead_reserve: int

    @property
    def input_budget(self) -> int:
        return self.window - self.output_reserve - self.overhead_reserve


def window_of(model: ModelSpec, max_output_tokens: int | None = None) -> ContextWindow:
    """Return the division: at most a fifth for the answer, a twentieth (at least 1,024) for estimation errors."""
    size = min(model.context_window, model.served_window or model.context_window)
    output = min(max_output_tokens or model.max_output_tokens, model.max_output_tokens, size // 5)
    return ContextWindow(size, output, max(1024, size // 20))


def agent_system(spec: TurnSpec, agent: AgentSpec) -> str:
    """Return the agent's role prompt with a description of its council and the instruction to speak only for itself."""
    role = agent.role_prompt.strip() or f"You are {agent.name}, a helpful and candid expert."
    if spec.mode.alone:
        return "\n\n".join(part for part in (role, spec.client_system) if part)
    parts = [
        role,
        spec.client_system,
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


def summary_block(summary: SummarySpec | None, most: int | None = None) -> str:
    """Return a summary as a part of a system prompt, cut to `most` tokens; empty without a summary."""
    if summary is None:
        return ""
    lists = [
        f"{title}:\n" + "\n".join(f"- {item.text}" for item in items)
        for title, field in LISTS
        if (items := getattr(summary, field))
    ]
    text = f"Summary of the conversation so far:\n{summary.text}"
    if most is None:
        return "\n\n".join([text, *lists])
    kept = beginning(text, most - estimate_tokens("\n\n".join(["", *lists])))
    return beginning("\n\n".join([kept, *lists]), most)


def beginning(text: str, tokens: int) -> str:
    """Return the beginning of a text that fits into this many tokens."""
    return text.encode("utf-8", "replace")[: max(0, tokens) * BYTES_PER_TOKEN].decode("utf-8", "ignore")


def transcript_for(viewer_key: str | None, lines: Iterable[HistoryMessage]) -> list[ChatMessage]:
    """Return messages from one member's view: its own as assistant, all others as user text with a name.

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
        else:
            messages.append(ChatMessage("user", with_speaker(line)))
    return messages


def with_speaker(line: HistoryMessage) -> str:
    """Return a message as shown to everyone except its author."""
    return line.text if line.role == "user" else f"[{speaker_of(line)}]: {line.text}"


def speaker_of(line: HistoryMessage) -> str:
    """Return the name of a message's speaker as shown to others."""
    if line.role == "user":
        return "User"
    if line.role == "agent":
        return f"{line.agent_name} (@{line.agent_key})" if line.agent_key else line.agent_name
    return MANAGER_NAME


def merge_roles(messages: Iterable[ChatMessage]) -> tuple[ChatMessage, ...]:
    """Join consecutive messages of one role: many chat templates reject two user messages in a row."""
    merged: list[ChatMessage] = []
    for role, same in groupby(messages, key=attrgetter("role")):
        parts = tuple(message.text for message in same)
        # Joined at once: one after the other takes quadratic time.
        merged.append(ChatMessage(role, ChatMessage.SEPARATOR.join(parts), parts if len(parts) > 1 else ()))
    return tuple(merged)


def line_tokens(line: HistoryMessage) -> int:
    return estimate_tokens(with_speaker(line)) + LINE_OVERHEAD


def calibrate(tokens: int, model: ModelSpec) -> int:
    """Convert an estimate to this model's tokenizer, rounded up."""
    return -(-int(tokens * model.calibration * 1000) // 1000)


def least_input(spec: TurnSpec, agent: AgentSpec) -> int:
    """Return the tokens that cannot be pruned: the agent's system prompt and the user's message."""
    fixed = estimate_tokens(agent_system(spec, agent)) + estimate_tokens(spec.message) + 2 * LINE_OVERHEAD
    return calibrate(fixed, agent.model)


def least_message_input(spec: TurnSpec, agent: AgentSpec) -> int:
    """Return the same for a decision about the message: other texts never raise the count of a system prompt.

    Otherwise one call with a dense text could make every message too long, however short.
    """
    system = estimate_tokens(agent_system(spec, agent)) + LINE_OVERHEAD
    message = estimate_tokens(spec.message) + LINE_OVERHEAD
    return min(system, calibrate(system, agent.model)) + calibrate(message, agent.model)


def full_input(spec: TurnSpec, agent: AgentSpec) -> int:
    """Return the tokens of an agent's whole context, without pruning and without a new summary."""
    rest = estimate_tokens(summary_block(spec.summary)) + sum(line_tokens(line) for line in spec.history)
    return least_input(spec, agent) + calibrate(rest, agent.model)


@dataclass(frozen=True, slots=True)
class Prompt:
    """The content of one call before pruning."""

    model: ModelSpec
    purpose: Purpose
    system: str
    viewer_key: str | None
    ask: str = ""
    """The instruction after all other messages; empty: the user's message is the last."""
    answers: tuple[HistoryMessage, ...] = ()
    """Answers of this turn that are visible to this speaker."""
    max_output_tokens: int | None = None
    temperature: float | None = None
    reasoning_effort: str = ""
    json_schema: dict[str, object] | None = None
    speaker_name: str = MANAGER_NAME
    speaker_role: str = ""


def build_request(
    spec: TurnSpec, prompt: Prompt, most_input: int | None = None
) -> tuple[ModelRequest, dict[str, int]]:
    """Return the request and the audit of its context.

    `most_input`: a smaller bound than the window's, in uncalibrated tokens.

    Audit, in tokens and messages: `window`, `input_budget`, `estimate_raw` (uncalibrated), `estimate_before`,
    `estimate_after`, `summarized` (1: an earlier part is in a summary), `pruned`.
    """
    model = prompt.model
    window = window_of(model, prompt.max_output_tokens)
    budget = window.input_budget
    if most_input is not None:
        budget = min(budget, calibrate(most_input, model))
    before, pruned, summary = fit(spec, prompt, budget)
    request = ModelRequest(
        model=model,
        system=f"{prompt.system}\n\n{summary}" if summary else prompt.system,
        messages=conversation(spec, prompt, pruned),
        max_output_tokens=window.output_reserve,
        purpose=prompt.purpose,
        temperature=prompt.temperature if model.temperature else None,
        json_schema=prompt.json_schema if model.json_schema else None,
        speaker_name=prompt.speaker_name,
        speaker_role=prompt.speaker_role,
        question=spec.message,
        cache_key=f"{spec.session_id} {prompt.viewer_key or prompt.purpose}",
        reasoning_effort=effort_for(model, prompt.reasoning_effort),
    )
    raw = estimate_input(request)
    audit = {
        "window": window.window,
        "input_budget": budget,
        "estimate_raw": raw,
        "estimate_before": calibrate(before, model),
        "estimate_after": calibrate(raw, model),
        "summarized": int(spec.summary is not None),
        "pruned": pruned,
    }
    return request, audit


def fit(spec: TurnSpec, prompt: Prompt, budget: int) -> tuple[int, int, str]:
    """Return the tokens before pruning, the number of pruned messages, and the text of the summary.

    The oldest messages are pruned first. The summary covers earlier messages and is cut only if it would not fit alone.
    """
    model = prompt.model
    costs = [line_tokens(line) for line in (*spec.history, *prompt.answers)]
    fixed = sum(estimate_tokens(text) for text in (prompt.system, spec.message, prompt.ask, LEFT_OUT))
    fixed += 4 * LINE_OVERHEAD
    summary = summary_block(spec.summary)
    before = total = fixed + estimate_tokens(summary) + sum(costs)
    pruned = 0
    while pruned < len(costs) and calibrate(total, model) > budget:
        total -= costs[pruned]
        pruned += 1
    # The summary is cut last, because it is the only record of the messages it replaced.
    if calibrate(total, model) > budget:
        summary = summary_block(spec.summary, int(budget / model.calibration) - fixed)
    return before, pruned, summary


def conversation(spec: TurnSpec, prompt: Prompt, pruned: int) -> tuple[ChatMessage, ...]:
    """Return the unpruned history, the user's message, the later answers, and the instruction."""
    now = [ChatMessage("user", spec.message)] if spec.message else []
    instruction = [ChatMessage("user", prompt.ask)] if prompt.ask else []
    history = transcript_for(prompt.viewer_key, spec.history[pruned:])
    answers = transcript_for(prompt.viewer_key, prompt.answers[max(0, pruned - len(spec.history)) :])
    messages = [*history, *now, *answers, *instruction]
    if messages and messages[0].role == "assistant":
        messages.insert(0, ChatMessage("user", LEFT_OUT))
    return merge_roles(messages)


def reply_prompt(
    spec: TurnSpec, agent: AgentSpec, *, answers: Sequence[HistoryMessage] = (), instruction: str = ""
) -> Prompt:
    """Return an agent's prompt: the earlier answers of this turn that it may see, and the manager's instruction."""
    if not instruction and any(line.agent_key == agent.key for line in answers):
        # Otherwise its own answer would be the last message, with no question after it.
        instruction = "Add what you have not said yet."
    ask = f"[{TO_AN_AGENT}]: {instruction}" if instruction else ""
    return Prompt(
        model=agent.model,
        purpose=Purpose.REPLY,
        system=agent_system(spec, agent),
        viewer_key=agent.key,
        ask=ask,
        answers=tuple(answers),
        max_output_tokens=agent.max_output_tokens,
        temperature=agent.temperature,
        reasoning_effort=agent.reasoning_effort,
        speaker_name=agent.name,
        speaker_role=agent.role_prompt,
    )
