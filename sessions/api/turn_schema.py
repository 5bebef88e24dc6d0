"""Responses of every turn request, for the API schema."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import OpenApiResponse

from sessions.selectors.turn_shapes import TurnShape
from web.api.schema import answer_header, header

PLAN_ERRORS = (
    *("no_valid_tagged_agents", "no_room_agents", "room_goal_required", "context_overflow"),
    "model_unavailable",
)
PROVIDER_ERRORS = (
    *("provider_error", "content_filtered", "output_limit", "provider_unavailable", "provider_timeout"),
)
TURN_ERRORS = (
    *("turn_conflict", "turn_in_progress", "idempotency_mismatch", "budget_exceeded"),
    *PLAN_ERRORS,
    *PROVIDER_ERRORS,
)

KEY = header(
    "Idempotency-Key",
    "1 to 255 printable characters. For 24 hours, a repeated request with the same key and body returns the same turn.",
)
WRITTEN = [
    KEY,
    answer_header("Location", "URL of the turn.", 200, 201, 202),
    answer_header(
        "Idempotent-Replayed", "`true`: an earlier request with this key created the turn.", 200, 201, 202
    ),
]

EVENTS = """Server-sent events. Each has `id: <seq>` and one `data:` line: an object with `type`, `turn_id` and `at`.

- `turn.started`: `session_id`, `index`, `mode`, `roster`
- `turn.snapshot`: `turn`, which replaces all earlier events; its steps have `text`
- `routing.decided`: `round`, `action`, `selections`, `reason`, `used_fallback`, `fallback_reason`
- `step.started`: `step_id`, `purpose`, `agent_key`, `agent_name`, `model`, `round`
- `step.delta`: `step_id`, `kind` (`text` or `reasoning`), `text`
- `step.completed`: `step_id`, `message_id`, `text`, `html`, `usage`, `cost_usd`, `cut_for`
- `step.failed`: `step_id`, `code`, `message`, `retryable`
- `turn.completed`, `turn.partial`, `turn.failed`, `turn.cancelled`: `status`, `stop_reason`, `usage`, `cost_usd`,
  `error`

Comments keep the connection open. Clients must ignore unknown types and fields."""

EVENT: dict[str, Any] = {
    "type": "object",
    "description": "An event.",
    "required": ["data"],
    "properties": {
        "id": {"type": "string", "description": "Its `seq`, from which a stream can be resumed."},
        "data": {
            "type": "string",
            "contentMediaType": "application/json",
            "description": "The event as JSON.",
        },
    },
}
STREAM = OpenApiResponse(EVENT, description=EVENTS)
TURN_ANSWERS: dict[Any, Any] = {
    (200, "text/event-stream"): OpenApiResponse(
        EVENT,
        description="With `stream`: the events of the turn, as from GET turns/{turn_id}/events.",
    ),
    201: OpenApiResponse(TurnShape, description="The finished turn."),
    202: OpenApiResponse(
        TurnShape, description="With `background`, or if the turn takes too long: the turn so far."
    ),
}
