"""Intercept the product's database statements one at a time."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from django.db import DatabaseError, connection, connections

Execute = Callable[..., Any]


class BrokenHere(DatabaseError):
    """The statement that a test broke."""


@contextmanager
def break_statement(number: int) -> Iterator[list[str]]:
    """Make the n-th statement (from 1) of this thread's connection fail; yield the statements seen so far."""
    seen: list[str] = []

    def wrapper(execute: Execute, sql: str, params: Any, many: bool, context: Any) -> Any:
        seen.append(sql)
        if len(seen) == number:
            raise BrokenHere(f"statement {number}: {sql[:60]}")
        return execute(sql, params, many, context)

    with connection.execute_wrapper(wrapper):
        yield seen


@contextmanager
def before_statement(start: str, interrupt: Callable[[], None]) -> Iterator[None]:
    """Call `interrupt` once, in its own thread (and connection), just before a statement with this start."""
    done = False

    def wrapper(execute: Execute, sql: str, params: Any, many: bool, context: Any) -> Any:
        nonlocal done
        if not done and sql.startswith(start):
            done = True
            in_thread(interrupt)
        return execute(sql, params, many, context)

    with connection.execute_wrapper(wrapper):
        yield
    assert done, f"no statement began with {start!r}"


def in_thread(function: Callable[[], None]) -> None:
    """Run a function to its end in another thread, with its own connection; raise its exception."""
    errors: list[BaseException] = []

    def run() -> None:
        try:
            function()
        except BaseException as error:  # noqa: BLE001  (raised again in the test's own thread)
            errors.append(error)
        finally:
            connections.close_all()

    thread = threading.Thread(target=run)
    thread.start()
    thread.join(30)
    assert not thread.is_alive()
    if errors:
        raise errors[0]
