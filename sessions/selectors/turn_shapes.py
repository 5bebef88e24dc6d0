"""Turns, their messages and their steps, as the API answers them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Any, NamedTuple

from rest_framework import serializers

from billing.models import UsageEvent
from billing.selectors.shapes import TokensShape, usd
from orchestration.engine.contracts import FALLBACK_REASONS
from orchestration.engine.efforts import EFFORTS
from orchestration.engine.purposes import PURPOSES, SHOWN
from orchestration.engine.specs import UsageReport
from sessions.models import Call, Message, Turn
from sessions.models.modes import turn_modes
from sessions.selectors.file_shapes import MessageFileShape
from sessions.selectors.usage import TurnEvents, TurnUsageShape
from web.api.shapes import (
    Shape,
    count,
    flag,
    identifier,
    mapping,
    moment,
    one_of,
    part,
    parts,
    stated,
    stored,
    text,
    values,
)

WHY_FALLBACK = (
    "Why the manager's or summarizer's answer could not be used: `no_answer`; `length`, cut off at the output limit; "
    "`not_json`; `refused_schema`, JSON that does not match the schema. Null: it was used."
)


class MessageShape(Shape):
    # Rendered from a `Message`; a synthesis has no agent.
    id = identifier("The message's id; of an answer, the `step_id` of its step.", of="pk")
    turn_id = identifier("The turn it belongs to.")
    seq = count("Position in the session, from 1.", min_value=1)
    role = one_of("Who speaks.", *Message.Role.values)
    agent_key = text("The agent's handle at the time; null for the user and the manager.", allow_null=True)
    agent_name = text("The agent's name at the time; null for the user and the manager.", allow_null=True)
    purpose = one_of("Purpose of the answer; null for the user's message.", *SHOWN, allow_null=True)
    round = count("Round of the turn, from 1; null for the user's message.", allow_null=True)
    model = text("Alias of the model that answered; null for the user's message.", allow_null=True)
    text = text("Markdown.", allow_blank=True)
    files = parts("Files attached to the user's message, in order.", MessageFileShape)
    status = one_of("`failed` and `cancelled` answers keep the text from before.", *Message.Status.values)
    created_at = moment("Time of storage.")


class FailureShape(Shape):
    # Rendered from a stored error. Those that were stored earlier have no details.
    code = text("An error code.", of=itemgetter("code"))
    message = text("What went wrong, for people.", of=itemgetter("message"))
    retryable = flag("The same request may succeed later.", of=itemgetter("retryable"))
    details = mapping(
        "Facts: of `context_overflow` the `agent`, the `model`, and in tokens what the request needs (`needed_tokens`) "
        "and what the model takes (`budget_tokens`; null: its server does not say).",
        of=lambda error: error.get("details") or {},
    )


class Step(NamedTuple):
    call: Call
    event: UsageEvent | None
    """What the call is billed as; None before the turn is committed."""

    @property
    def usage(self) -> UsageEvent | UsageReport | None:
        """The usage from the ledger once the turn is committed, from the journal before."""
        if self.event is not None:
            return self.event
        return None if self.call.usage is None else UsageReport.from_dict(self.call.usage)


class StepShape(Shape):
    step_id = identifier("The step, which attempts share.", of="call.step_id")
    purpose = one_of("Purpose of the call.", *PURPOSES, of="call.purpose")
    agent_key = text(
        "The agent's handle; null: the manager or the summarizer.", of="call.agent_key", allow_null=True
    )
    agent_name = text("The agent's name at the time.", of="call.agent_name", allow_null=True)
    model = text("Alias of the model.", of="call.model.alias")
    reasoning_effort = one_of(
        "The reasoning effort that was sent; null: none.",
        *EFFORTS,
        of="call.reasoning_effort",
        allow_null=True,
    )
    round = count("Round of the answer; of an evaluation, the round that it decides.", of="call.round")
    attempt = count("From 1.", of="call.attempt", min_value=1)
    status = one_of("Status of the call.", *Call.Status.values, of="call.status")
    error = part(
        "Cause of the failure.", FailureShape, of=lambda step: step.call.error or None, allow_null=True
    )
    usage = part("Null until the call has ended.", TokensShape, allow_null=True)
    cost_usd = usd(
        "Cost; null: unpriced, or the turn is not committed yet.",
        of=lambda step: step.event and step.event.cost_pico,
        allow_null=True,
    )
    latency_ms = count("Milliseconds from the request to the end.", of="call.latency_ms", allow_null=True)
    first_token_ms = count(
        "Milliseconds from the request to the first token.", of="call.first_token_ms", allow_null=True
    )
    cut_for = text(
        "The other speaker as whom the answer continued, which is why it was cut; null: it was not cut.",
        of=lambda step: step.call.context.get("cut_for"),
        allow_null=True,
    )
    cut_text = text(
        "Text after the cut, as far as it was received; null: not cut, or not stored.",
        of=lambda step: step.call.cut_text or None,
        allow_null=True,
    )
    input_cut = flag(
        "The server read far less than was sent: it cut the input without an error.",
        of=lambda step: bool(step.call.context.get("input_cut")),
    )
    fallback_reason = one_of(
        WHY_FALLBACK,
        *FALLBACK_REASONS,
        of=lambda step: step.call.context.get("fallback_reason"),
        allow_null=True,
    )
    context = mapping(
        "Tokens and messages: `window`, `input_budget`, `estimate_before`, `estimate_after`, `summarized`, "
        "`pruned`; the most that the call can use, `input_bound`, `output_bound`; the provider's `finish_reason`; "
        "`input_cut` (1: the server read far less than was sent); of a conversation with files, `files_left_out` "
        "(only their names fit), `images_unseen` (the model takes none) and `image_tokens` (the most that the sent "
        "images count); of a request refused as too long, in tokens, "
        "`overflow_input`, `overflow_limit` (what the model takes) and `overflow_output_limit`; "
        "and `opened_in_thought` (1: the answer began with a thought that had only a closing tag).",
        of="call.context",
    )


class SelectionShape(Shape):
    agent_key = text("Handle of the agent.")
    instruction = text("The manager's instruction to the agent; may be empty.", allow_blank=True)


class RoutingShape(Shape):
    round = count("Round of this decision, from 1.", min_value=1)
    action = one_of("Ask agents, or write the conclusion.", "route", "synthesize")
    selections = parts("The selected agents.", SelectionShape)
    reason = text("The manager's reason.", allow_blank=True)
    used_fallback = flag("The manager's answer was unusable; this is the fallback.")
    fallback_reason = one_of(WHY_FALLBACK, *FALLBACK_REASONS, allow_null=True)


@dataclass(frozen=True, slots=True)
class TurnParts:
    """A turn with the rows that belong to it."""

    turn: Turn
    messages: Sequence[Message]
    """The user's and the answers, in `seq` order."""
    calls: Sequence[Call]
    events: Sequence[UsageEvent]

    @property
    def steps(self) -> list[Step]:
        by_call = {event.pk: event for event in self.events}
        return [Step(call, by_call.get(call.pk)) for call in self.calls]


def is_users(message: Message) -> bool:
    return message.role == Message.Role.USER


def summary_plan(turn: Turn) -> Any:
    """Return the plan of the summary that a turn writes beside its answers, None if it writes none."""
    if "snapshot" in turn.get_deferred_fields():
        return turn.summary_plan  # type: ignore[attr-defined]  # of `TurnQuerySet.without_snapshot`
    return turn.snapshot.get("summarize")


class TurnShape(Shape):
    # Rendered from `TurnParts`.
    id = identifier("The turn.", of="turn.pk")
    session_id = identifier("The session it belongs to.", of="turn.session_id")
    index = count(
        "Position in the session, from 1; null: it only summarizes.", of="turn.index", allow_null=True
    )
    mode = stated(
        serializers.ChoiceField(
            choices=turn_modes(), help_text="Mode of the turn; `direct`: a chat with one agent."
        ),
        "turn.mode",
    )
    status = one_of(
        "`partial`: some agents failed; `failed`: no agent answered.",
        *Turn.Status.values,
        of="turn.status",
    )
    stop_reason = one_of(
        "Why the rounds stopped; null in modes without rounds, unless budget, cancelled or failed.",
        *("manager_done", "max_rounds", "max_calls", "repeat", "budget", "cancelled", "failed"),
        of="turn.stop_reason",
        allow_null=True,
    )
    replaces = identifier("The turn that this one replaces.", of="turn.replaces_id", allow_null=True)
    message = text(
        "The user's message.",
        of=lambda row: next((message.text for message in row.messages if is_users(message)), ""),
        allow_blank=True,
    )
    files = parts(
        "Files attached to the user's message, in order.",
        MessageFileShape,
        of=lambda row: next((message.files for message in row.messages if is_users(message)), []),
    )
    unknown_tags = values("Mentions that match no agent.", serializers.CharField(), of="turn.unknown_tags")
    messages = parts(
        "The answers, in `seq` order.",
        MessageShape,
        of=lambda row: [message for message in row.messages if not is_users(message)],
    )
    # Decisions that were stored earlier have no reason.
    routing = stored(
        parts(
            "The manager's decisions.",
            RoutingShape,
            of=lambda row: [{"fallback_reason": None, **decision} for decision in row.turn.routing],
        )
    )
    steps = parts("All model calls, every attempt, in the order in which they began.", StepShape)
    usage = part(
        "Usage of the whole turn, as billed.",
        TurnUsageShape,
        of=lambda row: TurnEvents(row.events),
    )
    summary_triggered = flag(
        "Whether older messages are summarized in this turn.",
        of=lambda row: summary_plan(row.turn) is not None,
    )
    error = part("Error of the first failure.", FailureShape, of="turn.error", allow_null=True)
    created_at = moment("Time of acceptance.", of="turn.created_at")
    completed_at = moment("Time of the commit; null while it runs.", of="turn.completed_at", allow_null=True)
