"""Shutdown: `is_stopping` and stop callbacks."""

import threading
from types import SimpleNamespace

import pytest

from pantheon import lifecycle


@pytest.fixture(autouse=True)
def fresh(monkeypatch):
    monkeypatch.setattr(lifecycle, "_worker", None)
    monkeypatch.setattr(lifecycle, "_callbacks", [])
    monkeypatch.setattr(lifecycle, "_stopped", threading.Event())


def test_without_a_server_nothing_is_stopping():
    assert not lifecycle.is_stopping()


def test_follows_the_worker():
    worker = SimpleNamespace(alive=True)
    lifecycle.set_worker(worker)
    assert not lifecycle.is_stopping()
    worker.alive = False
    assert lifecycle.is_stopping()


def test_callbacks_are_called_once_last_first_though_one_fails():
    called = []

    def fail() -> None:
        raise RuntimeError("on purpose")

    lifecycle.on_stop(lambda: called.append(("first", lifecycle.is_stopping())))
    lifecycle.on_stop(fail)
    lifecycle.on_stop(lambda: called.append(("last", lifecycle.is_stopping())))
    lifecycle.stop()
    lifecycle.stop()
    assert called == [("last", True), ("first", True)]


def test_a_callback_that_comes_too_late_is_called_at_once():
    called = []
    lifecycle.stop()
    lifecycle.on_stop(lambda: called.append(True))
    assert called == [True]
