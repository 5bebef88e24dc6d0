"""The purposes of model calls, one row each; all other code reads this table."""

from __future__ import annotations

from enum import StrEnum


class Purpose(StrEnum):
    """Key, label, caller if no agent made the call, and whether it is shown and orchestration."""

    REPLY = "reply", "Answer", "Agent", True, False
    ROUTE = "route", "Routing", "Manager"
    EVALUATE = "evaluate", "Evaluation", "Manager"
    SYNTHESIZE = "synthesize", "Conclusion", "Manager", True
    SUMMARIZE = "summarize", "Summary", "Summarizer"
    TITLE = "title", "Title", "Summarizer"

    label: str
    maker: str
    shown: bool
    """Readers see its text live, and it becomes a message; other purposes are silent."""
    orchestration: bool
    """Reports count its cost as orchestration overhead."""

    # All but the key have defaults, because type checkers read `Purpose(key)` as this call.
    def __new__(
        cls, key: str, label: str = "", maker: str = "", shown: bool = False, orchestration: bool = True
    ) -> Purpose:
        purpose = str.__new__(cls, key)
        purpose._value_ = key
        purpose.label, purpose.maker = label, maker
        purpose.shown, purpose.orchestration = shown, orchestration
        return purpose


PURPOSES = tuple(purpose.value for purpose in Purpose)
SHOWN = tuple(purpose.value for purpose in Purpose if purpose.shown)


def purpose_choices() -> list[tuple[str, str]]:
    """Return the purposes as the choices of a field."""
    return [(purpose.value, purpose.label) for purpose in Purpose]


def purpose_label(key: str) -> str:
    """Return the label of a stored purpose; one that is no longer known as it is stored."""
    return dict(purpose_choices()).get(key, key)
