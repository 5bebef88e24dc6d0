"""The periodic jobs of an installation: one list, for Celery beat and for a web process that runs turns itself.

Work that every process does for itself (lease renewal, care of its event logs) is in `runtime.py`.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from django.conf import settings

from accounts.services.cookie_sessions import cookie_sessions_clear
from sessions.live.mailing import notices_mail_aside
from sessions.services.files import contents_sweep
from sessions.services.leases import turns_to_recover
from sessions.services.purge import deleted_purge

HOUR_S = 3600.0


@dataclass(frozen=True, slots=True)
class Job:
    """Periodic work of one process of the installation. Running it in two processes at once is harmless."""

    name: str
    """Also part of beat's messages: workers of the previous version reject messages with a new name."""
    every_s: float
    run: Callable[[], Sequence[uuid.UUID] | None]
    """Called in a database thread. Returns turns to run, if any."""
    failure: str
    """Log text for a failure. The next run is at the usual time."""
    needs_place: bool = False
    """Whether to skip it while this process is full: it would only postpone the turns it finds, longer each time."""


def purge_deleted() -> None:
    deleted_purge()


def clear_sessions() -> None:
    cookie_sessions_clear()


def sweep_files() -> None:
    contents_sweep()


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
    Job("sweep files", every_s=HOUR_S, run=sweep_files, failure="unused files could not be removed"),
    Job("clear sessions", every_s=HOUR_S, run=clear_sessions, failure="expired sign-ins could not be erased"),
)
