"""Hashing a password takes little memory: anybody may sign in often, without an account."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.hashers import Argon2PasswordHasher, check_password, get_hasher, make_password

from accounts.hashers import PasswordHasher


@pytest.fixture
def _costs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Restore the costs that other tests lower."""
    monkeypatch.undo()


@pytest.mark.usefixtures("_costs")
def test_a_hash_takes_20_mb_and_one_thread() -> None:
    hasher: Any = get_hasher()
    assert isinstance(hasher, PasswordHasher)
    summary = hasher.decode(make_password("correct horse battery"))
    assert (summary["memory_cost"], summary["parallelism"], summary["time_cost"]) == (19 * 1024, 1, 2)


@pytest.mark.usefixtures("_costs")
def test_an_older_hash_is_accepted_and_replaced() -> None:
    older = Argon2PasswordHasher().encode("correct horse battery", "saltsaltsaltsaltsaltsalt")
    replaced: list[str] = []
    assert check_password("correct horse battery", older, setter=replaced.append)
    assert replaced == ["correct horse battery"]
