"""The periodic work of an installation: one list, for the web process that runs turns itself and for beat alike.

What every process does for itself (renew leases, look after its event logs) is in `runtime.py`.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from django.conf import settings

from accounts.services.cookie_sessions import cookie_sessions_clear
from sessions.live.mailing import notices_mail_aside
from sessions.services.leases import turns_to_recover
from sessions.services.purge import deleted_purge

HOUR_S = 3600.0


@dataclass(frozen=True, slots=True)
class Job:
    """Work that one process of the installation does every so often; that two do it at once does no harm."""

    name: str
    """Beat's messages have it too: a new name is a message that workers of the version before refuse."""
    every_s: float
    run: Callable[[], Sequence[uuid.UUID] | None]
    """Called in a database thread. Turns that it returns are to be run."""
    failure: str
    """What the log says where it fails. It is done again in its time."""
    needs_place: bool = False
    """Whether it waits where no turn may begin: the turns that it finds would only be put off for longer each time."""


def purge_deleted() -> None:
    deleted_purge()


def clear_sessions() -> None:
    cookie_sessions_clear()


JOBS = (
    Job(
        "recover turns",
        every_s=settings.PANTHEON_RECOVER_EVERY_S,
        run=turns_to_recover,
        failure="turns could not be recovered",
        needs_place=True,
    ),
    Job(
        "mail notices",
        every_s=settings.PANTHEON_RECOVER_EVERY_S,
        run=notices_mail_aside,
        failure="budget notices could not be mailed",
    ),
    Job("purge deleted", every_s=HOUR_S, run=purge_deleted, failure="deleted rows could not be erased"),
    Job("clear sessions", every_s=HOUR_S, run=clear_sessions, failure="expired sign-ins could not be erased"),
)
