"""A runner on a test's own database."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from orchestration.gateway.gateway import Gateway
from orchestration.gateway.images import ImageContents
from sessions.events.eventlog import EventLog, event_log
from sessions.live.database import Database
from sessions.live.image_reading import image_read
from sessions.live.runner import TurnRunner
from sessions.live.runtime import gateway_config


@asynccontextmanager
async def runner_on(database: Database, log: EventLog = event_log) -> AsyncIterator[TurnRunner]:
    """Yield a runner; close its gateway and the database afterwards."""
    gateway = Gateway(gateway_config(), images=ImageContents(image_read))
    try:
        yield TurnRunner(runner_id=uuid.uuid4(), models=gateway, database=database, event_log=log)
    finally:
        await gateway.aclose()
        await asyncio.to_thread(database.close)
