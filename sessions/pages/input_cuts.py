"""Calls whose server read far less than was sent: notes on answers, and the notice on a session."""

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
