"""A turn of the transcript: converts rows to template data, in the order of the lanes."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass

from orchestration.engine.purposes import Purpose
from sessions.models import Message, Turn
from sessions.pages.answers import Answer, answers_of, total_cost
from sessions.pages.file_chips import FileChip, chip_of
from sessions.pages.money import Money, money
from sessions.pages.receipt import ReceiptLine, cache_saving, receipt_of
from sessions.pages.rounds import Round, rounds_of
from sessions.rendering.markdown import visible_text
from sessions.selectors.pages import TurnRows

STATUS_NOTES = {
    Turn.Status.PARTIAL: "Some agents failed",
    Turn.Status.FAILED: "All agents failed",
    Turn.Status.CANCELLED: "Stopped",
}
STOP_NOTES = {
    "max_rounds": "Stopped: maximum rounds reached",
    "max_calls": "Stopped: maximum answers reached",
    "repeat": "Stopped: the manager repeated itself",
    "budget": "Stopped: budget reached",
}
RETRY_LABELS = ("Retry", "Retry all without an answer")
LONG_CHARS = 1_000
LONG_LINES = 12
"""A message with more characters or lines is folded."""
STEPS_NOTE = "{answers} in {rounds}"
NO_STEPS_NOTE = "How it was decided"
ANSWERS = ("{count} answer", "{count} answers")
ROUNDS = ("{count} round", "{count} rounds")


@dataclass(frozen=True, slots=True)
class TranscriptTurn:
    """A turn: the user's message, the rounds that answered it, and their outcome."""

    turn: Turn
    message: str
    files: Sequence[FileChip]
    """The files that the message brought."""
    rounds: Sequence[Round]
    synthesis: Answer | None
    cost: Money | None
    partly_priced: bool
    """Some of its calls are priced and others are not: the actual cost is higher than shown."""
    error: str
    receipt: Sequence[ReceiptLine]
    cache_saving: Money | None
    """What prompt caching saved."""
    versions: Sequence[uuid.UUID]
    newest: bool
    """No turn follows it, so it can be run again."""

    @property
    def running(self) -> bool:
        return not self.turn.is_final

    @property
    def message_is_long(self) -> bool:
        """Whether the message is folded."""
        return len(self.message) > LONG_CHARS or self.message.count("\n") >= LONG_LINES

    @property
    def replies(self) -> list[Answer]:
        return [answer for round in self.rounds for row in round.rows for answer in row]

    @property
    def columns(self) -> int:
        """The most answers that stand side by side unfolded; the panels give way to that many."""
        if self.turn.mode_spec.led and not self.steps_open:
            return 0
        return max((len(row) for round in self.rounds for row in round.rows), default=0)

    @property
    def steps_open(self) -> bool:
        """Whether the steps are expanded: they are folded below a complete synthesis."""
        return self.synthesis is None or self.synthesis.state != Message.Status.COMPLETE

    @property
    def steps_note(self) -> str:
        """The label of the fold."""
        answers, rounds = len(self.replies), sum(1 for round in self.rounds if round.rows)
        if not answers:
            return NO_STEPS_NOTE
        return STEPS_NOTE.format(answers=counted(ANSWERS, answers), rounds=counted(ROUNDS, rounds))

    @property
    def note(self) -> str:
        notes = [STATUS_NOTES.get(Turn.Status(self.turn.status)), STOP_NOTES.get(self.turn.stop_reason or "")]
        return " · ".join(note for note in notes if note)

    @property
    def replaced(self) -> bool:
        return self.versions[-1] != self.turn.pk

    @property
    def version(self) -> int:
        """The number of this version, from 1."""
        return self.versions.index(self.turn.pk) + 1

    @property
    def version_before(self) -> uuid.UUID | None:
        return self.versions[self.version - 2] if self.version > 1 else None

    @property
    def version_after(self) -> uuid.UUID | None:
        return self.versions[self.version] if self.version < len(self.versions) else None

    @property
    def repeatable(self) -> bool:
        return self.newest and self.turn.is_final and not self.replaced

    @property
    def retryable(self) -> bool:
        """Whether an agent was asked and did not answer."""
        return self.repeatable and self.turn.status != Turn.Status.COMPLETED

    @property
    def comparable(self) -> bool:
        """Whether it has several complete answers."""
        return sum(answer.state == Message.Status.COMPLETE for answer in self.replies) > 1

    @property
    def unanswered(self) -> int:
        """The number of lanes that show a failure or a stop."""
        lanes = [*self.replies, *([self.synthesis] if self.synthesis else [])]
        return sum(answer.state != Message.Status.COMPLETE for answer in lanes)

    @property
    def retry_label(self) -> str:
        """The label of a failed lane's button, which asks every agent without an answer."""
        return RETRY_LABELS[self.unanswered > 1]


def counted(forms: tuple[str, str], count: int) -> str:
    """Return a count with its noun. `forms`: singular and plural."""
    return forms[count != 1].format(count=count)


def transcript_turn(rows: TurnRows, *, newest: bool = False) -> TranscriptTurn:
    turn = rows.turn
    answers = answers_of(rows)
    question = next((message for message in rows.messages if message.role == Message.Role.USER), None)
    costs = [event.cost_pico for event in rows.events] if turn.is_final else []
    names = {call.agent_key: call.agent_name for call in rows.calls if call.agent_name}
    names |= {message.agent_key: message.agent_name for message in rows.messages if message.agent_name}
    return TranscriptTurn(
        turn=turn,
        message=visible_text(question.text if question else ""),
        files=[chip_of(file) for file in question.files] if question else [],
        rounds=rounds_of(turn, answers, names),
        synthesis=next((answer for answer in answers if answer.purpose == Purpose.SYNTHESIZE), None),
        cost=money(total_cost(costs)) if turn.is_final else None,
        partly_priced=None in costs and total_cost(costs) is not None,
        error="" if answers or not turn.error else turn.error["message"],
        receipt=receipt_of(rows),
        cache_saving=cache_saving(rows),
        versions=rows.versions,
        newest=newest,
    )
