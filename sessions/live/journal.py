"""Where a running turn's calls are written down: as they happen in the database, or in memory until the commit."""

from __future__ import annotations

import logging
import threading
import uuid
from typing import Protocol

from django.conf import settings
from django.db import Error as DbError
from django.db import IntegrityError
from django.utils import timezone

from orchestration.engine.ports import CallIntent, CallOutcome
from sessions.live.database import Database
from sessions.models import Call
from sessions.services.calls import (
    call_close,
    call_cost_now,
    call_exists,
    call_finish,
    call_of_intent,
    call_start,
    journal_try,
)
from sessions.services.leases import Claimed

log = logging.getLogger(__name__)

DATABASE, MEMORY = "database", "memory"
JOURNALS = (DATABASE, MEMORY)


class TurnJournal(Protocol):
    """Writes down the calls of one claim on one turn."""

    unwritten: list[Call]
    """Calls that the commit has still to write."""

    async def start(self, number: int, intent: CallIntent) -> None: ...

    async def finish(self, outcome: CallOutcome) -> int | None:
        """Return what the call cost in pico-USD, None if it is unpriced."""
        ...


class DatabaseJournal:
    """Every call is a row before it is sent and has its outcome before the next begins. Raises FenceLost."""

    def __init__(self, claimed: Claimed, database: Database) -> None:
        self.unwritten: list[Call] = []
        self._claimed = claimed
        self._database = database

    async def start(self, number: int, intent: CallIntent) -> None:
        turn_id, claim = self._claimed.turn_id, self._claimed.claim
        try:
            await self._database.persist(
                call_start, turn_id=turn_id, claim=claim, number=number, intent=intent
            )
        except IntegrityError:
            # Tried again after the connection broke: the first try may have been committed.
            if not await self._database.persist(call_exists, turn_id=turn_id, claim=claim, intent=intent):
                raise

    async def finish(self, outcome: CallOutcome) -> int | None:
        turn_id, claim = self._claimed.turn_id, self._claimed.claim
        return await self._database.persist(call_finish, turn_id=turn_id, claim=claim, outcome=outcome)


class MemoryJournal:
    """Calls are rows from the commit on: what a process had asked before it died is neither resumed nor billed."""

    def __init__(self, claimed: Claimed, database: Database) -> None:
        self.unwritten: list[Call] = []
        self._claimed = claimed
        self._database = database
        self._open: dict[uuid.UUID, Call] = {}

    async def start(self, number: int, intent: CallIntent) -> None:
        call = call_of_intent(
            turn_id=self._claimed.turn_id, claim=self._claimed.claim, number=number, intent=intent
        )
        self.unwritten.append(call)
        self._open[call.pk] = call

    async def finish(self, outcome: CallOutcome) -> int | None:
        call = self._open.pop(uuid.UUID(outcome.call_id))
        call_close(call, outcome, at=timezone.now())
        return await self._database.persist(call_cost_now, call)


def journal_for(claimed: Claimed, database: Database) -> TurnJournal:
    """Return a journal of the kind that this process uses."""
    kind = MemoryJournal if settings.PANTHEON_JOURNAL == MEMORY else DatabaseJournal
    return kind(claimed, database)


class JournalState:
    """What this process knows of its journal: told once, tried until it could be written once."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._told = False
        self._writable = False

    def open(self) -> None:
        """Say at the start which journal there is, and whether it works."""
        with self._lock:
            told, self._told = self._told, True
        if told:
            return
        if settings.PANTHEON_JOURNAL == MEMORY:
            log.warning(
                "journal: memory. A turn does not survive the end of its process: it begins anew, and the calls it "
                "had made are missing in the ledger. Set PANTHEON_JOURNAL=database for durability."
            )
            return
        try:
            self.check()
        except DbError as error:
            log.error("journal: database, which cannot be written: %s", error)
        else:
            log.info("journal: database. A turn survives the end of its process.")

    def check(self) -> str:
        """Return the journal's name. Raises django.db.Error where it is the database and that cannot be written."""
        if settings.PANTHEON_JOURNAL == MEMORY:
            return MEMORY
        if not self._writable:
            journal_try()
            self._writable = True
        return DATABASE


journal_state = JournalState()
