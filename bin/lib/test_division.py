"""Of the two runs of bin/test, each leaves out what the other one covers, and nothing else."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import division
import hermetic
import pytest
from django.core.cache import cache

from accounts.models import User

ROOT = Path(__file__).resolve().parents[2]
ONCE = "bin/lib/test_covered.py"
TWICE = "billing/tests/models/test_append_only.py"
PAGES = "sessions/tests/browser/test_hostile.py"
WALK = "pantheon/tests/test_url_map.py"
MARKED = "pantheon/tests/test_errors.py"
"""Its tests ask for no database, but use the cache."""


@pytest.fixture
def run_pytest(tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    environment = hermetic.environment(str(tmp_path))
    environment.pop("PYTEST_XDIST_WORKER", None)  # the tests in there are no part of ours

    def run_pytest(run: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *arguments]
        chosen = {**environment, division.DIVISION: run}
        return subprocess.run(command, cwd=ROOT, env=chosen, capture_output=True, text=True)

    return run_pytest


def collected(answer: subprocess.CompletedProcess[str]) -> set[str]:
    assert answer.returncode == 0, answer.stdout
    return {line for line in answer.stdout.splitlines() if "::" in line}


def test_two_runs_are_all_tests_and_what_asks_for_the_database_is_in_both(run_pytest: Any) -> None:
    everything, sqlite, postgres = (
        collected(run_pytest(run, "--collect-only", ONCE, TWICE, PAGES, WALK, MARKED))
        for run in ("", division.SQLITE, division.POSTGRES)
    )
    assert sqlite | postgres == everything
    files = [{name.partition("::")[0] for name in names} for names in (sqlite, postgres)]
    assert files == [{ONCE, TWICE, MARKED}, {PAGES, TWICE, WALK, MARKED}]
    assert sqlite & postgres == {name for name in everything if name.startswith((TWICE, MARKED))}


def test_a_run_that_leaves_all_to_the_other_one_passes_and_shows_it(run_pytest: Any) -> None:
    answer = run_pytest(division.POSTGRES, ONCE, "-n", "1")
    assert answer.returncode == 0, answer.stdout
    assert "1 tests that ask for no database run on SQLite" in answer.stdout


def test_a_test_that_runs_once_is_refused_the_database_and_the_cache() -> None:
    with pytest.raises(RuntimeError, match="Database access not allowed"):
        User.objects.count()
    with pytest.raises(division.CacheRefused, match="mark it `both_runs`"):
        cache.get("key")


@pytest.mark.both_runs
def test_one_with_the_mark_may_use_the_cache() -> None:
    cache.set("division", 1, timeout=1)
    assert cache.get("division") == 1
