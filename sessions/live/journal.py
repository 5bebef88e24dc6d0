"""The journal of a running turn's calls: in the database as they happen, or in memory until the commit."""

from __future__ import annotations

import logging
import threading
import uuid
from collections.abc import Sequence

from django.conf import settings
from django.db import Error as DbError
from django.db import IntegrityError
from django.utils import timezone

from billing.selectors.price_book import prices_now
from orchestration.engine.ports import CallIntent, CallOutcome
from sessions.live.database import Database
from sessions.models import Call
from sessions.services.calls import (
    TurnCalls,
    call_close,
    call_cost,
    call_estimate,
    call_exists,
    call_of_intent,
    calls_write,
    journal_check,
)
from sessions.services.leases import ClaimedTurn

log = logging.getLogger(__name__)

DATABASE, MEMORY = "database", "memory"
JOURNALS = (DATABASE, MEMORY)


class TurnJournal:
    """The calls of one claim on one turn. This base class writes them with the commit.

    Calls of a process that died are neither resumed nor billed.
    """

    def __init__(self, claimed: ClaimedTurn, database: Database) -> None:
        self.written = TurnCalls(list(claimed.calls))
        self._claimed = claimed
        self.database = database
        self._by_id: dict[uuid.UUID, Call] = {}
        self._retrying: set[str] = set()
        """Slots whose next attempt is scheduled."""

    async def start(self, intent: CallIntent) -> None:
        """Record a call that is about to be sent. Raises FenceLost."""
        turn_id, claim, number = self._claimed.turn_id, self._claimed.claim, len(self.written.calls) + 1
        call = call_of_intent(turn_id=turn_id, claim=claim, number=number, intent=intent)
        self.written.calls.append(call)
        self._by_id[call.pk] = call
        self._retrying.discard(call.slot)
        await self._write_start(call)

    async def finish(self, outcome: CallOutcome, received_bytes: int) -> int | None:
        """Record a call's outcome; return its cost in pico-USD, None if it is unpriced. Raises FenceLost.

        Under a hard budget the prices are read again: calls that begin later are reserved at those of today.
        """
        call = self._by_id.pop(uuid.UUID(outcome.call_id))
        call.received_bytes = received_bytes
        call_close(call, outcome, at=timezone.now())
        if outcome.uncounted is not None:
            is_held = self._claimed.funds is not None
            await self.database.persist(call_estimate, call, outcome.uncounted, is_held=is_held)
        if not outcome.final:
            self._retrying.add(call.slot)
        await self._write_end(call)
        if self._claimed.funds is None:
            return call_cost(call, self._claimed.prices)
        prices = await self.database.persist(prices_now)
        self._claimed.funds.reprice(prices)
        return call_cost(call, prices)

    async def _write_start(self, call: Call) -> None:
        self.written.new.append(call)

    async def _write_end(self, call: Call) -> None:
        """Do nothing: the commit writes it."""


class DatabaseJournal(TurnJournal):
    """Inserts every call before it is sent and writes its outcome before the next call begins.

    An outcome is written at once, unless the turn continues at once: then it is written together with the
    next call's row or the commit.
    """

    async def _write_start(self, call: Call) -> None:
        ended = tuple(self.written.ended)
        try:
            await self._write(begun=call, ended=ended)
        except IntegrityError:
            # This may be a retry after a broken connection whose first try was committed.
            if not await self.database.persist(call_exists, call):
                raise
        self._remove_written(ended)

    async def _write_end(self, call: Call) -> None:
        self.written.ended.append(call)
        if self._retrying or self.written.are_open:
            ended = tuple(self.written.ended)
            await self._write(ended=ended)
            self._remove_written(ended)

    async def _write(self, *, begun: Call | None = None, ended: Sequence[Call]) -> None:
        turn_id, claim = self._claimed.turn_id, self._claimed.claim
        await self.database.persist(
            calls_write, turn_id=turn_id, claim=claim, new_call=begun, ended_calls=ended
        )

    def _remove_written(self, ended: Sequence[Call]) -> None:
        self.written.ended = [call for call in self.written.ended if call not in ended]


def journal_for(claimed: ClaimedTurn, database: Database) -> TurnJournal:
    """Return a journal of the configured kind."""
    kind = TurnJournal if settings.PANTHEON_JOURNAL == MEMORY else DatabaseJournal
    return kind(claimed, database)


class JournalState:
    """State of this process's journal: logged once, and tested until it was writable once."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._is_logged = False
        self._writable = False

    def open(self) -> None:
        """Log the kind of journal, and whether it works, at the start."""
        with self._lock:
            was_logged, self._is_logged = self._is_logged, True
        if was_logged:
            return
        if settings.PANTHEON_JOURNAL == MEMORY:
            log.warning(
                "journal: memory. A turn does not survive the end of its process: it starts over, and the calls it "
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
        """Return the journal's name. Raises django.db.Error if it is the database and not writable."""
        if settings.PANTHEON_JOURNAL == MEMORY:
            return MEMORY
        if not self._writable:
            journal_check()
            self._writable = True
        return DATABASE


journal_state = JournalState()
