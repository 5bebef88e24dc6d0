"""The tests' surroundings: nothing of the developer's environment, no network but this machine's own."""

from __future__ import annotations

import ipaddress
import os
import re
import socket
import sys
import tempfile
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import hermetic
import hypothesis
import pytest

# Before the settings are read. This is why pyproject.toml does not name them: pytest-django would read them first.
if "pantheon.settings" in sys.modules:
    raise pytest.UsageError(
        "The settings were read too early: unset DJANGO_SETTINGS_MODULE and leave out --ds."
    )
_data_dir = tempfile.TemporaryDirectory(prefix="pantheon-", ignore_cleanup_errors=True)
hermetic.clean(os.environ, data_dir=_data_dir.name)
os.mkdir(os.path.join(_data_dir.name, "static"))  # WhiteNoise warns, for each client, of one that is missing

if os.environ.get("REDIS_URL"):
    # Each test process has a database of its own: 0 without xdist, then 1, 2, ...
    _worker = re.sub(r"\D", "", os.environ.get("PYTEST_XDIST_WORKER", ""))
    _url = urlsplit(os.environ["REDIS_URL"])
    _number = int(_url.path.strip("/") or 0) + (int(_worker) + 1 if _worker else 0)
    os.environ["REDIS_URL"] = urlunsplit(_url._replace(path=f"/{_number}"))

_reachable = {urlsplit(os.environ.get(name, "")).hostname for name in ("DATABASE_URL", "REDIS_URL")}

import django  # noqa: E402

os.environ["DJANGO_SETTINGS_MODULE"] = "pantheon.settings"
django.setup()

pytest_plugins = ["division", "emptying"]

# A busy machine is no failure.
hypothesis.settings.register_profile("patient", deadline=None)
hypothesis.settings.load_profile("patient")


class NetworkRefused(Exception):
    """A test wanted to leave this machine."""


def _refuse_outside(host: Any) -> None:
    name = host.decode() if isinstance(host, bytes) else host
    if name in (None, "", "localhost") or name in _reachable:
        return
    try:
        inside = ipaddress.ip_address(str(name).partition("%")[0]).is_loopback
    except ValueError:
        inside = False
    if not inside:
        raise NetworkRefused(f"Tests must not reach {name!r}: start a server on 127.0.0.1.")


def pytest_configure(config: pytest.Config) -> None:
    """Guard the one class that all sockets of the standard library are made of."""
    guarded: Any = socket.socket
    resolve = socket.getaddrinfo

    def guarding(connect: Any) -> Any:
        def wrapper(self: socket.socket, address: Any) -> Any:
            if self.family in (socket.AF_INET, socket.AF_INET6):
                _refuse_outside(address[0])
            return connect(self, address)

        return wrapper

    def guarded_getaddrinfo(host: Any, *args: Any, **kwargs: Any) -> Any:
        _refuse_outside(host)
        return resolve(host, *args, **kwargs)

    guarded.connect = guarding(guarded.connect)
    guarded.connect_ex = guarding(guarded.connect_ex)
    socket.getaddrinfo = guarded_getaddrinfo


def pytest_xdist_setupnodes() -> None:
    """Let each test process come to this file before it reads the settings, as this one did."""
    os.environ.pop("DJANGO_SETTINGS_MODULE", None)


def pytest_unconfigure(config: pytest.Config) -> None:
    _data_dir.cleanup()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Show what bin/test found wrong before this run, and that no browser was there, above the last line."""
    skipped = terminalreporter.stats.get("skipped", [])
    if pages := sum("/browser/" in report.nodeid for report in skipped):
        terminalreporter.section("not tested", sep="=", yellow=True)
        terminalreporter.line(
            f"{pages} tests of the pages need Chromium, which is not on the PATH", yellow=True
        )
    if failed := os.environ.get("FAILED_BEFORE_THE_TESTS"):
        terminalreporter.section("failed before", sep="=", red=True)
        terminalreporter.line(failed, red=True)
