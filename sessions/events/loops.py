"""Event loops of our own threads."""

from __future__ import annotations

import asyncio
import importlib.util


def new_loop() -> asyncio.AbstractEventLoop:
    """Return a loop like the web server's: uvloop's, where the system has it."""
    if importlib.util.find_spec("uvloop") is None:
        return asyncio.new_event_loop()
    import uvloop

    loop: asyncio.AbstractEventLoop = uvloop.new_event_loop()
    return loop
