"""New versions of a turn: retry failed answers, or run it again with changes."""

from __future__ import annotations

from collections.abc import Sequence

from accounts.models import ApiToken, User
from orchestration.models import LlmModel
from sessions.models import ChatSession, File, Message, Turn
from sessions.selectors.message_files import question_of_turn
from sessions.services.roster import agents_of
from sessions.services.turn_accept import turn_accept
from sessions.services.turn_request import TurnRequest
from web.errors import ValidationFailed


def turn_rerun(
    *,
    user: User,
    turn: Turn,
    message: str | None = None,
    files: Sequence[File] | None = None,
    mode: str | None = None,
    agents: Sequence[str] | None = None,
    model: LlmModel | None = None,
    idempotency_key: str | None = None,
    digest: str = "",
    token: ApiToken | None = None,
) -> Turn:
    """Accept a new version of the newest turn. Raises like `turn_accept`, `turn_conflict` for an older turn.

    If message, files and mode are unchanged, complete answers of agents not named in `agents` are carried over at no
    cost. `files`: None keeps those of the turn, also deleted ones.
    """
    session = refuse_summary(turn)
    refuse_unknown(session, agents or ())
    question = question_of_turn(turn) if message is None or files is None else None
    request = TurnRequest(
        message=question.text if question and message is None else message or "",
        files=tuple(question.files if question and files is None else files or ()),
        mode=mode or (turn.mode if session.room_id else None),
        idempotency_key=idempotency_key,
        digest=digest,
        replaces=turn,
        only=None if agents is None else tuple(dict.fromkeys(agents)),
        model=model,
    )
    return turn_accept(user=user, session=session, request=request, token=token)


def turn_retry(
    *,
    user: User,
    turn: Turn,
    idempotency_key: str | None = None,
    digest: str = "",
    token: ApiToken | None = None,
) -> Turn:
    """Accept a new version that asks only the agents without an answer. Raises ValidationFailed if none failed."""
    session = refuse_summary(turn)
    question = question_of_turn(turn)
    request = TurnRequest(
        message=question.text,
        files=tuple(question.files),
        mode=turn.mode if session.room_id else None,
        idempotency_key=idempotency_key,
        digest=digest,
        replaces=turn,
        only=list_unanswered(turn),
    )
    return turn_accept(user=user, session=session, request=request, token=token)


def refuse_unknown(session: ChatSession, keys: Sequence[str]) -> None:
    known_keys = [agent.key for agent in agents_of(session)]
    if unknown_keys := [key for key in keys if key not in known_keys]:
        raise ValidationFailed(
            {
                "agents": [
                    f"No agent in this room is called {', '.join(unknown_keys)}. Choose from {', '.join(known_keys)}."
                ]
            }
        )


def refuse_summary(turn: Turn) -> ChatSession:
    if not turn.mode_spec.spoken:
        raise ValidationFailed({"turn": ["A turn that only summarizes has no versions: summarize again."]})
    return turn.session


def list_unanswered(turn: Turn) -> tuple[str, ...] | None:
    """Return the keys of asked agents without a complete answer; None: run the whole turn again.

    A turn that ended before any agent was asked has nothing to keep. An empty tuple asks no agent again: only
    the conclusion is made again.
    """
    asked = {call.agent_key for call in turn.calls.all()} | set(turn.snapshot["addressed"])
    answered = {
        message.agent_key
        for message in turn.messages.filter(role=Message.Role.AGENT, status=Message.Status.COMPLETE)
    }
    missing = tuple(agent["key"] for agent in turn.snapshot["roster"] if agent["key"] in asked - answered)
    if missing and answered:
        return missing
    if not answered:
        return None
    if turn.status == Turn.Status.COMPLETED:
        raise ValidationFailed({"turn": ["Every agent answered. Run the turn again for new answers."]})
    return ()
