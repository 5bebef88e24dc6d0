"""Event loops for threads of this application."""

from __future__ import annotations

import asyncio
import importlib.util


def new_loop() -> asyncio.AbstractEventLoop:
    """Return a loop of the web server's type: uvloop if installed."""
    if importlib.util.find_spec("uvloop") is None:
        return asyncio.new_event_loop()
    import uvloop

    loop: asyncio.AbstractEventLoop = uvloop.new_event_loop()
    return loop
