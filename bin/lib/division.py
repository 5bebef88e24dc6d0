"""Divide the tests between the two runs of bin/test: what depends on no server runs in one of them.

- A test that asks for no database runs on SQLite only. pytest-django refuses it the database, and this module the
  cache, which is Redis in the other run: one that comes to need either fails until it says so.
- A test of the pages runs on PostgreSQL only, as in production: no page differs by database, and the code behind the
  pages has tests of its own on both. One file, with the mark `both_runs`, shows that a browser and SQLite go together.
- A test that walks through every address or every page of the administration runs on PostgreSQL only, too, with the
  mark `walk`: the walks are a tenth of all work, and PostgreSQL is the stricter of the two.
- All others run twice, and every test with the mark `both_runs`.

A pytest plugin; without DIVISION in the environment every test runs.
"""

from __future__ import annotations

import os
from collections.abc import Generator
from typing import Any

import pytest

DIVISION = "DIVISION_OF_THE_TESTS"
"""Environment variable with the run that this one is, if the other one takes place too."""
SQLITE, POSTGRES = "sqlite", "postgres"
LEFT = {
    SQLITE: "{} tests of the pages and walks through all addresses run on PostgreSQL",
    POSTGRES: "{} tests that ask for no database run on SQLite",
}

DATABASE_FIXTURES = frozenset(
    {"db", "transactional_db", "django_db_reset_sequences", "django_db_serialized_rollback", "live_server"}
)
DATABASE_MARKS = ("django_db", "skipif")
"""A condition may name the database, so tests that have one run twice."""
PAGES_FIXTURE = "chrome"

_left = pytest.StashKey[int]()
_refused_to: list[str] = []


class CacheRefused(Exception):
    """A test that runs once wanted the cache."""


def asks_for_a_database(item: pytest.Item) -> bool:
    from django.test import TransactionTestCase

    cls = getattr(item, "cls", None)
    return (
        any(map(item.get_closest_marker, DATABASE_MARKS))
        or not DATABASE_FIXTURES.isdisjoint(getattr(item, "fixturenames", ()))
        or (cls is not None and issubclass(cls, TransactionTestCase))
    )


def runs_of(item: pytest.Item) -> set[str]:
    """Return the runs in which the test takes part: one or both."""
    if item.get_closest_marker("both_runs"):
        return {SQLITE, POSTGRES}
    if item.get_closest_marker("walk") or PAGES_FIXTURE in getattr(item, "fixturenames", ()):
        return {POSTGRES}
    return {SQLITE, POSTGRES} if asks_for_a_database(item) else {SQLITE}


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "both_runs: runs on SQLite and on PostgreSQL with Redis in any case.")
    config.addinivalue_line("markers", "walk: opens every address of some kind; runs on PostgreSQL only.")
    config.stash[_left] = 0
    _guard_the_cache()


def _guard_the_cache() -> None:
    from django.core.cache import caches

    handler: Any = type(caches)
    get = handler.__getitem__

    def guarded(self: Any, alias: str) -> Any:
        if _refused_to:
            raise CacheRefused(f"{_refused_to[-1]} runs on SQLite only, without Redis: mark it `both_runs`.")
        return get(self, alias)

    handler.__getitem__ = guarded


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, Any, Any]:
    if runs_of(item) == {SQLITE}:
        _refused_to.append(item.name)
    try:
        return (yield)
    finally:
        _refused_to.clear()


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_teardown() -> None:
    _refused_to.clear()  # fixtures empty the cache whether it was used or not


@pytest.hookimpl(trylast=True)  # after -k and -m: what these leave out is not left to the other run
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    run = os.environ.get(DIVISION)
    if not run:
        return
    left = [item for item in items if run not in runs_of(item)]
    items[:] = [item for item in items if run in runs_of(item)]
    config.stash[_left] = len(left)
    config.hook.pytest_deselected(items=left)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Take the number from a process of xdist: each of them collects all tests."""
    node.config.stash[_left] = getattr(node, "workeroutput", {}).get("left", 0) or node.config.stash[_left]


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    left = session.config.stash[_left]
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["left"] = left
    if left and session.exitstatus == pytest.ExitCode.NO_TESTS_COLLECTED:
        session.exitstatus = pytest.ExitCode.OK


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    if left := config.stash[_left]:
        terminalreporter.section("left to the other run", sep="=")
        terminalreporter.line(LEFT[os.environ[DIVISION]].format(f"{left:,}"))
