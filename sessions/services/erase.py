"""Erase a person: the account and all of their content are deleted; the ledger stays without their name."""

from __future__ import annotations

from functools import partial
from typing import Any

from django.db import transaction
from django.db.models.functions import Coalesce, Now

from accounts.models import AuditEntry, User
from accounts.services.people import administrator_check, user_suspend
from accounts.traces import traces_erase
from billing.models import Budget
from billing.services.budgets import budget_delete
from billing.services.erase import names_erase
from sessions.dispatch import cancel
from sessions.models import Agent, ChatSession, File, Room, Turn
from sessions.services.files import contents_remove_on_commit
from sessions.services.purge import sessions_erase
from web.errors import PantheonError

SESSIONS_PER_TRANSACTION = 200
"""Sessions deleted per transaction."""


def user_erase(*, user: User) -> None:
    """Erase a person whose turns have all ended (`user_stop`). Raises `turn_in_progress`, and like `user_stop`.

    Sessions are deleted in steps, each in its own transaction, and the account last, so that an interrupted
    erasure can be repeated. The ledger keeps ids and amounts, under the id of a deleted user; the logs keep
    time and action, and lose names and values. The bytes of a SQLite file need `deleted_scrub` too.
    """
    with transaction.atomic():
        administrator_check(user)
    if Turn.objects.active().filter(user=user).exists():
        raise PantheonError(
            "turn_in_progress", "Turns of this user are still running. Wait until they have ended."
        )
    object_ids = ids_of(user)
    while sessions := list(
        ChatSession.objects.filter(owner=user).values_list("pk", flat=True)[:SESSIONS_PER_TRANSACTION]
    ):
        with transaction.atomic(durable=True):
            sessions_erase(sessions)
    _account_erase(user=user, object_ids=object_ids)


def user_stop(*, user: User) -> int:
    """Suspend a person and cancel their turns; return the number of turns still running. Raises ValidationFailed."""
    with transaction.atomic(durable=True):
        user_suspend(user=user, actor_id=None)
    with transaction.atomic(durable=True):
        turns = list(Turn.objects.active().filter(user=user).values_list("pk", flat=True))
        Turn.objects.active().filter(pk__in=turns).update(
            cancel_requested_at=Coalesce("cancel_requested_at", Now())
        )
        for turn_id in turns:
            transaction.on_commit(partial(cancel, turn_id))
    return len(turns)


def ids_of(user: User) -> list[str]:
    """Return the ids of all objects that the logs may mention by this person's names."""
    owned: list[Any] = [model.objects.filter(owner=user) for model in (Agent, Room, ChatSession, File)]
    owned.append(user.api_tokens.all())
    return [str(row_id) for rows in owned for row_id in rows.values_list("pk", flat=True)]


@transaction.atomic(durable=True)
def _account_erase(*, user: User, object_ids: list[str]) -> None:
    anonymized_events = names_erase(user_id=user.pk)
    for budget in Budget.objects.filter(scope=Budget.Scope.USER, target_id=user.pk):
        budget_delete(budget=budget)
    traces_erase(user=user, object_ids=object_ids)
    contents_remove_on_commit(File.objects.filter(owner=user).order_by().values_list("sha256", flat=True))
    user_id = user.pk
    user.delete()
    AuditEntry.objects.create(
        actor_id=None,
        action="erase",
        object_type=User._meta.label,
        object_id=str(user_id),
        object_label="",
        after={"usage_events_without_names": anonymized_events},
    )
