"""Turn ownership: claims, leases, hand-overs, and recovery of turns without a runner.

Every claim increments the turn's fencing token, so a runner that lost its lease unnoticed can no longer
write.
"""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import F, Q, UUIDField
from django.db.models.functions import Now

from accounts.models import User
from billing.payer import Payer
from billing.selectors.price_book import PRICES_VERSION, Prices, prices_of_version
from billing.services.holds import HOLD_OF_TURN, TurnFunds, turn_funds_open
from orchestration.engine.ports import PastCall
from orchestration.engine.specs import TurnSpec
from sessions.models import Call, ChatSession, Room, Turn
from sessions.selectors.history import QUESTION_OF_TURN
from sessions.services.calls import calls_interrupt, calls_note_received, calls_used, past_calls
from sessions.services.fence import turn_fence
from sessions.services.snapshot import payer_of, spec_of
from web.database.compiled import CompiledUpdate, Slot

MAX_CLAIMS = 3
"""Claims that may call models; one more only commits the existing results."""

MAX_REDISPATCH_S = 300

IS_WANTED = (
    f"(SELECT u.is_active AND s.deleted_at IS NULL AND r.deleted_at IS NULL FROM {ChatSession._meta.db_table} s "
    f"JOIN {User._meta.db_table} u ON u.id = {Turn._meta.db_table}.user_id "
    f"LEFT JOIN {Room._meta.db_table} r ON r.id = s.room_id WHERE s.id = {Turn._meta.db_table}.session_id)"
)
"""Whether the user is active, and neither the session nor its room is deleted."""

CLAIM: CompiledUpdate[Turn] = CompiledUpdate(
    lambda: (
        Turn.objects.filter(
            Q(status=Turn.Status.QUEUED) | Q(status=Turn.Status.RUNNING, lease_expires_at__lt=Now()),
            pk=Slot("turn_id", UUIDField()),
        ),
        {
            "status": Turn.Status.RUNNING,
            "claim": F("claim") + 1,
            "runner_id": Slot("runner_id", UUIDField()),
            "lease_expires_at": lease_end(),
        },
    ),
    also={
        "held_pico": HOLD_OF_TURN.format(turn_id=f"{Turn._meta.db_table}.id"),
        "prices_version": PRICES_VERSION,
        "question": QUESTION_OF_TURN.format(turn_id=f"{Turn._meta.db_table}.id"),
        "is_wanted": IS_WANTED,
    },
)


@dataclass(frozen=True, slots=True)
class ClaimedTurn:
    """A turn held by this runner, with everything needed to run it."""

    turn_id: uuid.UUID
    claim: int
    spec: TurnSpec
    payer: Payer
    calls: list[Call]
    """Calls of earlier claims, in order; none of them is billed yet."""
    prices: Prices
    first_seq: int
    """The seq of the turn's first answer in its session."""
    exhausted: bool
    """Claimed too often: commit the existing results, call no model."""
    cancelled: bool
    """A cancel was requested, the user is suspended, or the session or its room is deleted."""
    funds: TurnFunds | None
    """The funds of its calls; None if no hard budget applies."""

    @property
    def past(self) -> dict[str, PastCall]:
        return past_calls(self.calls)


def lease_end() -> Now:
    """Return the database's time plus the lease, so that the clocks of machines do not matter."""
    return Now() + dt.timedelta(seconds=settings.PANTHEON_LEASE_S)  # type: ignore[return-value]


def turn_claim(*, turn_id: uuid.UUID, runner_id: uuid.UUID) -> ClaimedTurn | None:
    """Claim a turn that is queued, or running with an expired lease; None if another runner holds it.

    A conditional update, so exactly one of several runners wins. If a later read fails, any runner may claim
    the turn after its lease expires. Raises FenceLost if that happens meanwhile.
    """
    turn: Any = CLAIM.returning(turn_id=turn_id, runner_id=runner_id)
    if turn is None:
        return None
    prices = prices_of_version(turn.prices_version)
    calls, funds = journal_take_over(turn, prices)
    return ClaimedTurn(
        turn_id=turn_id,
        claim=turn.claim,
        spec=spec_of(turn, question=turn.question),
        payer=payer_of(turn),
        calls=calls,
        prices=prices,
        first_seq=turn.snapshot["before_seq"] + 1,
        exhausted=turn.claim - turn.handovers > MAX_CLAIMS,
        cancelled=turn.cancel_requested_at is not None or not turn.is_wanted,
        funds=funds,
    )


def journal_take_over(turn: Any, prices: Prices) -> tuple[list[Call], TurnFunds | None]:
    """Close the calls that earlier claims left open; return all calls of earlier claims, and the turn's funds."""
    if turn.claim == 1:
        return [], turn_funds_open(turn_id=turn.pk, held_pico=turn.held_pico, prices=prices)
    with transaction.atomic(durable=True):
        # Otherwise a runner whose claim was taken meanwhile would close the open calls of its successor.
        turn_fence(turn_id=turn.pk, claim=turn.claim)
        lost = calls_used(calls_interrupt(turn_id=turn.pk), prices)
        calls = list(turn.calls.order_by("number"))
        paid = calls_used(calls, prices)
        return calls, turn_funds_open(
            turn_id=turn.pk, held_pico=turn.held_pico, prices=prices, lost=lost, paid=paid
        )


@dataclass(frozen=True, slots=True)
class Renewal:
    """Result of a lease renewal."""

    claims: dict[uuid.UUID, int]
    """Turn -> claim, as stored for this runner."""
    cancelled: set[uuid.UUID]


@transaction.atomic(durable=True)
def leases_renew(
    *, runner_id: uuid.UUID, turn_ids: Collection[uuid.UUID], received: dict[uuid.UUID, int]
) -> Renewal:
    """Renew a runner's leases and store its calls' progress: three statements for any number of turns.

    A lease is renewed after a third of it: updating each turn's row every second would be most of the writes.
    Turns of suspended users and of deleted sessions and rooms count as cancelled: one may have been accepted just
    then.
    """
    own_turns = Turn.objects.filter(pk__in=turn_ids, runner_id=runner_id, status=Turn.Status.RUNNING)
    renew_before = Now() + dt.timedelta(seconds=settings.PANTHEON_LEASE_S * 2 / 3)
    own_turns.filter(lease_expires_at__lt=renew_before).update(lease_expires_at=lease_end())
    calls_note_received(received=received)
    rows = list(
        own_turns.values_list(
            "pk",
            "claim",
            "user__is_active",
            "cancel_requested_at",
            "session__deleted_at",
            "session__room__deleted_at",
        )
    )
    return Renewal(
        claims={pk: claim for pk, claim, *_ in rows},
        cancelled={pk for pk, _, is_active, *ended in rows if not is_active or any(ended)},
    )


@transaction.atomic(durable=True)
def turns_hand_over(*, runner_id: uuid.UUID, received: dict[uuid.UUID, int]) -> list[uuid.UUID]:
    """Hand over every turn of a stopping runner; the next claim does not count as another attempt."""
    calls_note_received(received=received)
    turn_ids = list(
        Turn.objects.filter(runner_id=runner_id, status=Turn.Status.RUNNING).values_list("pk", flat=True)
    )
    # The condition again: a turn whose lease has expired may have been claimed by another runner since.
    Turn.objects.filter(pk__in=turn_ids, runner_id=runner_id, status=Turn.Status.RUNNING).update(
        status=Turn.Status.QUEUED,
        handovers=F("handovers") + 1,
        runner_id=None,
        lease_expires_at=None,
        dispatch_after=Now(),
    )
    return turn_ids


@transaction.atomic(durable=True)
def turns_to_recover() -> list[uuid.UUID]:
    """Return turns with an expired lease, and unclaimed queued ones, which back off exponentially."""
    orphaned = list(
        Turn.objects.filter(status=Turn.Status.RUNNING, lease_expires_at__lt=Now())
        .order_by("created_at")
        .values_list("pk", flat=True)
    )
    # Without a lock: two processes may dispatch the same turn, and its claim lets only one of them run it.
    waiting = list(
        Turn.objects.filter(status=Turn.Status.QUEUED, dispatch_after__lte=Now()).order_by("created_at")
    )
    for turn in waiting:
        turn.dispatches += 1
        wait_s = min(5 * 2**turn.dispatches, MAX_REDISPATCH_S)
        turn.dispatch_after = turn.dispatch_after + dt.timedelta(seconds=wait_s)
    Turn.objects.bulk_update(waiting, ["dispatches", "dispatch_after"])
    return orphaned + [turn.pk for turn in waiting]
