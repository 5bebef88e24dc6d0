"""Accept a turn. All refusals happen here, before anything is stored or sent."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from functools import partial

from django.db import IntegrityError, transaction
from django.db.models import Case, CharField, DateTimeField, F, TextField, UUIDField, When
from django.utils import timezone

from accounts.models import ApiToken, User
from billing.services.budget_lock import budgets_hold_lock
from billing.services.holds import hold_stage
from sessions.dispatch import dispatch
from sessions.models import ChatSession, Message, MessageFile, Turn
from sessions.search_text import fold
from sessions.selectors.ends import SessionEnd, session_end
from sessions.services.chats import title_from
from sessions.services.files import files_hold
from sessions.services.snapshot import payer_of, snapshot_of
from sessions.services.turn_limit import place_of, too_many_turns
from sessions.services.turn_plan import TurnPlan, plan_turn
from sessions.services.turn_request import TurnRequest
from web.database.compiled import Bound, CompiledUpdate, Slot, insertion, insertions, together
from web.errors import PantheonError

REDISPATCH_AFTER = dt.timedelta(seconds=5)
"""A turn that is still unclaimed then is dispatched again."""


ATTEMPTS = 3
"""Attempts to accept a turn if the conflicting turn ends before it can be looked up."""


SESSION_UPDATE = CompiledUpdate(
    lambda: (
        ChatSession.objects.filter(pk=Slot("session_id", UUIDField())),
        {
            # Not if it was renamed since the session was read.
            "title": Case(When(title="", then=Slot("title", CharField())), default=F("title")),
            "search_text": Case(
                When(title="", then=Slot("search_text", TextField())),
                default=F("search_text"),
                output_field=TextField(),
            ),
            "updated_at": Slot("updated_at", DateTimeField()),
        },
    )
)


def turn_accept(
    *, user: User, session: ChatSession, request: TurnRequest, token: ApiToken | None = None
) -> Turn:
    """Accept a turn and dispatch it after the commit.

    Checked in this order: the expected index, the request's content, an active turn. Conflicts are found by
    the database's constraints, so exactly one of two concurrent requests wins. The budget is checked last.
    Raises `turn_conflict`, `turn_in_progress`, `budget_exceeded` and the 422 codes, IntegrityError for an
    idempotency key of another turn (`accept_once`).
    """
    for attempt in range(1, ATTEMPTS + 1):
        end = session_end(session.pk)
        try:
            return _accept(user, session, request, token, end)
        except IntegrityError:
            now = session_end(session.pk)
            refuse_wrong_index(request, now.index + 1)
            if session.turns.active().exists() or now != end:
                raise turn_in_progress() from None
            if attempt == ATTEMPTS:
                raise
            # The conflicting turn has ended since.
    raise AssertionError("the last attempt returns or raises")


@transaction.atomic(durable=True)
def _accept(
    user: User, session: ChatSession, request: TurnRequest, token: ApiToken | None, end: SessionEnd
) -> Turn:
    return turn_stage(user=user, session=session, request=request, token=token, end=end)


def turn_stage(
    *, user: User, session: ChatSession, request: TurnRequest, token: ApiToken | None, end: SessionEnd
) -> Turn:
    """Plan a turn and store it with its message (inside a transaction). Raises like `turn_accept`."""
    refuse_wrong_index(request, end.index + 1)
    refuse_old_version(request, end.index + 1)
    plan = plan_turn(session, request, end)
    before_seq = end.seq + 1
    files_hold(request.files)
    turn = turn_of_plan(plan, user=user, session=session, request=request, token=token, before_seq=before_seq)
    message = Message(
        session=session, turn=turn, seq=before_seq, role=Message.Role.USER, text=request.message
    )
    brought = [
        MessageFile(message=message, file=file, position=position)
        for position, file in enumerate(request.files)
    ]
    session.title = session.title or title_from(request.message, [agent.key for agent in plan.spec.roster])
    session.updated_at = turn.created_at
    session_update = SESSION_UPDATE.bind(
        session_id=session.pk,
        title=session.title,
        search_text=fold(session.title),
        updated_at=session.updated_at,
    )
    turn_enqueue(turn, plan, beside=[insertion([message]), *insertions(brought), session_update])
    return turn


def turn_enqueue(turn: Turn, plan: TurnPlan, *, beside: Sequence[Bound] = ()) -> None:
    """Store a planned turn with its hold, and dispatch it on commit (inside a transaction).

    `beside`: statements executed with it. Conflicts raise IntegrityError before the budgets are checked.
    Raises `rate_limited` if the user has too many active turns, `budget_exceeded`, `model_unavailable`.
    """
    # First and alone: a conflicting insert waits for the other turn, and must hold no locks meanwhile.
    if not together(insertion([turn], where=place_of(turn.user))):
        raise too_many_turns()
    together(*beside, *budgets_hold_lock())
    hold_stage(payer=payer_of(turn), spec=plan.spec)
    transaction.on_commit(partial(dispatch, turn.pk))


def turn_of_plan(
    plan: TurnPlan,
    *,
    user: User,
    session: ChatSession,
    request: TurnRequest,
    token: ApiToken | None,
    before_seq: int,
) -> Turn:
    """Return the unsaved row of a planned turn."""
    spec = plan.spec
    return Turn(
        session=session,
        user=user,
        token_id=token.pk if token else None,
        index=spec.index,
        mode=spec.mode.key,
        replaces=request.replaces,
        unknown_tags=list(plan.unknown_tags),
        snapshot=snapshot_of(
            spec,
            session=session,
            user=user,
            before_seq=before_seq,
            summary_id=plan.summary_id,
            client=plan.client,
            redone_summary_id=plan.redone_summary_id,
            has_files=plan.has_files,
        ),
        idempotency_key=request.idempotency_key,
        request_digest=request.digest,
        dispatch_after=timezone.now() + REDISPATCH_AFTER,
    )


def turn_in_progress() -> PantheonError:
    return PantheonError(
        "turn_in_progress", "A turn of this session is still running. Wait for it or cancel it."
    )


def refuse_wrong_index(request: TurnRequest, expected: int) -> None:
    if request.index is not None and request.index != expected:
        message = f"This session has changed: its next turn is {expected}. Reload to see the new turns."
        raise PantheonError("turn_conflict", message, {"expected": expected, "index": request.index})


def refuse_old_version(request: TurnRequest, index: int) -> None:
    """Raise `turn_conflict` for a new version of any turn but the newest."""
    old = request.replaces
    if old is not None and old.index != index - 1:
        message = "Only the newest turn can be run again. Branch the session before this one instead."
        raise PantheonError("turn_conflict", message, {"newest": index - 1, "index": old.index})
