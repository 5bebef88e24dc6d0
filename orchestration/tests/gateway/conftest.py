"""Fixtures of the gateway's tests."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from orchestration.gateway.gateway import Gateway
from orchestration.tests.gateway import KEY, KEY_ENV, QUICK


@pytest.fixture(autouse=True)
def _key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(KEY_ENV, KEY)


@pytest.fixture
async def gateway() -> AsyncIterator[Gateway]:
    """A gateway with long limits."""
    gateway = Gateway(QUICK)
    yield gateway
    await gateway.aclose()
