"""Calls whose model did not read everything: the server cut the input, or files were given by name only."""

from __future__ import annotations

from collections.abc import Sequence

from sessions.models import Call
from sessions.selectors.pages import TurnRows

ADVICE = (
    "The rest was left out without an error. Ask an administrator to raise the server's context length (Ollama: "
    "OLLAMA_CONTEXT_LENGTH), or to lower the model's context window to it."
)


def input_note(call: Call, read_tokens: int | None) -> str:
    """Return the note on a call whose server read less than was sent, empty if it did not.

    `read_tokens`: what the provider counted.
    """
    if not call.context.get("input_cut"):
        return ""
    sent = f"about {call.context['estimate_after']:,} tokens"
    return (
        f"The server read only {read_tokens:,} of {sent}."
        if read_tokens
        else f"The server did not read all of {sent}."
    )


def files_note(call: Call) -> str:
    """Return the note on files that the model did not get: images that it cannot see, and what had no space."""
    unseen, left_out = call.context.get("images_unseen", 0), call.context.get("files_left_out", 0)
    notes = []
    if unseen:
        notes.append(f"This model can’t see images: it got {unseen} by name only.")
    if left_out:
        notes.append(f"Not enough context for all files: it got {left_out} by name only.")
    return " ".join(notes)


def input_notices(rows: TurnRows) -> list[str]:
    """Return a sentence for each model whose server cut the input of a call of this turn."""
    read = {event.pk: event.usage.total_input for event in rows.events}
    notes: dict[str, str] = {}
    for call in rows.calls:
        if note := input_note(call, read.get(call.pk)):
            notes[call.model.alias] = note
    return [f"{alias}: {note} {ADVICE}" for alias, note in notes.items()]


def newest_notices(turns: Sequence[TurnRows]) -> list[str]:
    """Return the notices of the newest turn that has ended: later ones show whether the server still cuts."""
    ended = [rows for rows in turns if rows.turn.is_final and rows.calls]
    return input_notices(ended[-1]) if ended else []
