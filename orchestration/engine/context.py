"""The context of a call: the system prompt, the transcript from one member's view, and pruning to the window."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby, zip_longest
from operator import attrgetter

from orchestration.engine.efforts import effort_for
from orchestration.engine.files import (
    RULE,
    FilePart,
    file_parts,
    file_tokens,
    list_files,
    message_with_files,
)
from orchestration.engine.purposes import Purpose
from orchestration.engine.specs import (
    AgentSpec,
    ChatMessage,
    FileSpec,
    HistoryMessage,
    ModelRequest,
    ModelSpec,
    SummarySpec,
    TurnSpec,
)
from orchestration.engine.tokens import (
    MESSAGE_OVERHEAD,
    beginning,
    estimate_input,
    estimate_tokens,
    request_image_tokens,
)

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
        parts = [role, spec.client_system, RULE if spec.has_files else ""]
        return "\n\n".join(part for part in parts if part)
    parts = [
        role,
        spec.client_system,
        f"You are {agent.name} (@{agent.key}), a member of the council {spec.room_name!r}. Its members:\n"
        + roster_lines(spec, agent.key),
        f"The council's goal: {spec.goal.strip()}" if spec.goal.strip() else "",
        "Messages of other members are shown to you as [Name (@key)]: text. Speak only for yourself, as "
        f"{agent.name}. Never write, quote in advance or imagine what another member or the user says next, and do not "
        "open your answer with your own name.",
        RULE if spec.has_files else "",
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


def transcript_for(
    viewer_key: str | None,
    lines: Iterable[HistoryMessage],
    files: Sequence[Sequence[FilePart]] = (),
    left_out: int = 0,
) -> list[ChatMessage]:
    """Return messages from one member's view: its own as assistant, all others as user text with a name.

    `viewer_key` is an agent's key, None for the manager. `files`: those of each line, if any line has files; of the
    first `left_out`, only the names are given.
    """
    messages: list[ChatMessage] = []
    for line, parts in zip_longest(lines, files, fillvalue=()):
        assert isinstance(line, HistoryMessage)
        if parts:
            messages.append(message_with_files(line.text, parts, left_out))
            left_out = max(0, left_out - len(parts))
            continue
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
        parts: list[str] = []
        images: list[tuple[int, FileSpec]] = []
        for message in same:
            images += [(len(parts) + place, image) for place, image in message.images]
            parts += message.parts or (message.text,)
        # Joined at once: one after the other takes quadratic time.
        text = ChatMessage.SEPARATOR.join(parts)
        merged.append(ChatMessage(role, text, tuple(parts) if len(parts) > 1 else (), tuple(images)))
    return tuple(merged)


def line_tokens(line: HistoryMessage) -> int:
    return estimate_tokens(with_speaker(line)) + LINE_OVERHEAD


def calibrate(tokens: int, model: ModelSpec) -> int:
    """Convert an estimate to this model's tokenizer, rounded up."""
    return -(-int(tokens * model.calibration * 1000) // 1000)


def least_input(spec: TurnSpec, agent: AgentSpec) -> int:
    """Return the tokens of the agent's system prompt and the user's message, without its files."""
    fixed = estimate_tokens(agent_system(spec, agent)) + estimate_tokens(spec.message) + 2 * LINE_OVERHEAD
    return calibrate(fixed, agent.model)


def least_message_input(spec: TurnSpec, agent: AgentSpec, file: FileSpec | None = None) -> int:
    """Return the tokens that cannot be pruned: the agent's system prompt and the user's message.

    `file`: together with the content of one of its files; else with their names. Other texts never raise the count of
    a system prompt: otherwise one call with a dense text could make every message too long, however short.
    For a text that is not loaded, it is a lower bound.
    """
    system = estimate_tokens(agent_system(spec, agent)) + LINE_OVERHEAD
    message = estimate_tokens(spec.message) + LINE_OVERHEAD
    for each in spec.files:
        tokens, name_tokens = file_tokens(each, agent.model)
        if each.kind == "text" and each.text is None:
            tokens = each.tokens + MESSAGE_OVERHEAD
        message += tokens if each is file else name_tokens
    return min(system, calibrate(system, agent.model)) + calibrate(message, agent.model)


def full_input(spec: TurnSpec, agent: AgentSpec) -> int:
    """Return the tokens of an agent's whole context, without pruning and without a new summary."""
    rest = estimate_tokens(summary_block(spec.summary)) + sum(line_tokens(line) for line in spec.history)
    rest += sum(file_tokens(file, agent.model)[0] for file in list_files(spec))
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
    excerpts: bool = False
    """Of files, it reads only the beginning."""
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
    `estimate_after`, `summarized` (1: an earlier part is in a summary), `pruned`; with files also `files_left_out`
    (given by their names alone), `images_unseen` (the model takes none) and `image_tokens` (of those that are sent).
    """
    model = prompt.model
    window = window_of(model, prompt.max_output_tokens)
    budget = window.input_budget
    if most_input is not None:
        budget = min(budget, calibrate(most_input, model))
    fitted = fit(spec, prompt, budget)
    request = ModelRequest(
        model=model,
        system=f"{prompt.system}\n\n{fitted.summary}" if fitted.summary else prompt.system,
        messages=conversation(spec, prompt, fitted),
        max_output_tokens=window.output_reserve,
        purpose=prompt.purpose,
        temperature=prompt.temperature if model.temperature else None,
        json_schema=prompt.json_schema if model.json_schema else None,
        speaker_name=prompt.speaker_name,
        speaker_role=prompt.speaker_role,
        question=spec.message,
        files=spec.files,
        cache_key=f"{spec.session_id} {prompt.viewer_key or prompt.purpose}",
        reasoning_effort=effort_for(model, prompt.reasoning_effort),
    )
    raw = estimate_input(request)
    audit = {
        "window": window.window,
        "input_budget": budget,
        "estimate_raw": raw,
        "estimate_before": calibrate(fitted.before, model),
        "estimate_after": calibrate(raw, model),
        "summarized": int(spec.summary is not None),
        "pruned": fitted.pruned,
    }
    if spec.has_files:
        images = sum(file.kind == "image" for file in list_files(spec))
        audit["files_left_out"] = fitted.files_left_out + fitted.own_left_out
        audit["images_unseen"] = 0 if model.takes_images or prompt.excerpts else images
        if sent := request_image_tokens(request):
            audit["image_tokens"] = sent
    return request, audit


@dataclass(frozen=True, slots=True)
class Fitted:
    """A conversation cut to a budget."""

    before: int
    """Tokens before pruning."""
    pruned: int
    """The oldest messages that are left out."""
    summary: str
    files: Sequence[Sequence[FilePart]] = ()
    """Those of each message of the history; empty without any."""
    own_files: Sequence[FilePart] = ()
    """Those of the turn's message."""
    files_left_out: int = 0
    """The oldest files of the history of which only the names are given."""
    own_left_out: int = 0


def fit(spec: TurnSpec, prompt: Prompt, budget: int) -> Fitted:
    """Return what of the conversation fits.

    Left out, oldest first: the content of the history's files; then messages; then the content of the turn's own
    files. The summary covers earlier messages and is cut only if it would not fit alone.
    """
    model = prompt.model
    files: list[list[FilePart]] = []
    if any(line.files for line in spec.history):
        files = [file_parts(line.files, model, excerpt=prompt.excerpts) for line in spec.history]
    own = file_parts(spec.files, model, excerpt=prompt.excerpts)
    costs = [line_tokens(line) for line in (*spec.history, *prompt.answers)]
    fixed = sum(estimate_tokens(text) for text in (prompt.system, spec.message, prompt.ask, LEFT_OUT))
    fixed += 4 * LINE_OVERHEAD
    summary = summary_block(spec.summary)
    contents = [part for parts in (*files, own) for part in parts]
    before = total = fixed + estimate_tokens(summary) + sum(costs) + sum(part.tokens for part in contents)

    older = contents[: len(contents) - len(own)]
    total, left_out = leave_out(older, total, budget, model)
    for place, parts in enumerate(files):
        costs[place] += sum(part.name_tokens for part in parts)
    pruned = 0
    while pruned < len(costs) and calibrate(total, model) > budget:
        total -= costs[pruned]
        pruned += 1
    total, own_left_out = leave_out(own, total, budget, model)
    # The summary is cut last, because it is the only record of the messages it replaced.
    if calibrate(total, model) > budget:
        names = sum(part.name_tokens for part in own)
        summary = summary_block(spec.summary, int(budget / model.calibration) - fixed - names)
    return Fitted(before, pruned, summary, files, own, left_out, own_left_out)


def leave_out(parts: Sequence[FilePart], total: int, budget: int, model: ModelSpec) -> tuple[int, int]:
    """Return the tokens without the content of as many of the first files as necessary, and their number."""
    left_out = 0
    while left_out < len(parts) and calibrate(total, model) > budget:
        total -= parts[left_out].saved
        left_out += 1
    return total, left_out


def conversation(spec: TurnSpec, prompt: Prompt, fitted: Fitted) -> tuple[ChatMessage, ...]:
    """Return the unpruned history, the user's message, the later answers, and the instruction."""
    pruned = fitted.pruned
    now = [ChatMessage("user", spec.message)] if spec.message else []
    if fitted.own_files:
        now = [message_with_files(spec.message, fitted.own_files, fitted.own_left_out)]
    instruction = [ChatMessage("user", prompt.ask)] if prompt.ask else []
    files_left_out = fitted.files_left_out - sum(map(len, fitted.files[:pruned]))
    history = transcript_for(
        prompt.viewer_key, spec.history[pruned:], fitted.files[pruned:], max(0, files_left_out)
    )
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
