"""Bodies of responses. Imports no models: benchmarks read streams before they set Django up."""

from __future__ import annotations

from typing import Any

from asgiref.sync import async_to_sync


def body_of(response: Any) -> bytes:
    """Return the body of a response of Django's test client, read as the server reads it if it is a stream."""
    if not response.streaming:
        return bytes(response.content)

    async def read() -> bytes:
        return b"".join([part async for part in response])

    return async_to_sync(read)() if response.is_async else b"".join(response)
