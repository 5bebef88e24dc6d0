"""Limits of the process that reads a file. They hold for everything that the file makes a library do."""

from __future__ import annotations

import os
import sys
from typing import Any

MEMORY_BYTES = 512 * 1024 * 1024
TIME_S = 30
"""Of processor time; `sessions.files.conversion` limits the time by the clock too."""
NICENESS = 10
"""The processes that answer requests go first."""
OPEN_FILES = 64
MAX_DEPTH = 5000
"""Python calls in calls: a deeply nested document takes several per level."""

REFUSED_PREFIXES = (
    "socket.",
    "subprocess.",
    "os.exec",
    "os.spawn",
    "os.posix_spawn",
    "os.fork",
    "os.system",
    "pty.",
)
"""Audit events of connections and programs. No library here needs them; a hostile file might try."""


def process_confine() -> None:
    """Limit this process: memory, time, files, processes; no connections. Cannot be undone."""
    limits_set()
    sys.setrecursionlimit(MAX_DEPTH)
    sys.addaudithook(refuse)


def limits_set() -> None:
    try:
        import resource
    except ImportError:  # not on Windows
        return
    os.nice(NICENESS)
    wanted = {
        "RLIMIT_AS": MEMORY_BYTES,
        "RLIMIT_CPU": TIME_S,
        "RLIMIT_FSIZE": 0,
        "RLIMIT_NOFILE": OPEN_FILES,
        "RLIMIT_NPROC": 0,
        "RLIMIT_CORE": 0,
    }
    for name, limit in wanted.items():
        kind = getattr(resource, name, None)
        if kind is None:
            continue
        try:
            resource.setrlimit(kind, (limit, limit))
        except (OSError, ValueError):
            continue  # macOS knows RLIMIT_AS, but does not accept it; the clock still ends the process


def refuse(event: str, args: tuple[Any, ...]) -> None:
    """Raise for an audit event that opens a connection, starts a program or writes a file."""
    if event.startswith(REFUSED_PREFIXES):
        raise PermissionError(event)
    if event == "open" and isinstance(args[1], str) and set(args[1]) & set("wax+"):
        raise PermissionError(event)
