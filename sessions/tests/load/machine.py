"""Resources used by processes: processor time, threads and memory, by role."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field

import psutil

PARTS = {"gunicorn": "web", "celery -A pantheon --quiet worker": "worker"}
"""Part of the command of a production process -> its role. The others use next to nothing."""

OTHERS = "beat"


@dataclass
class Size:
    processes: int = 0
    threads: int = 0
    """Of the process with the most."""
    memory: int = 0
    """Bytes in total: proportional shares (PSS) if the kernel reports them, so that nothing counts twice."""

    def most(self, other: Size) -> Size:
        return Size(
            max(self.processes, other.processes),
            max(self.threads, other.threads),
            max(self.memory, other.memory),
        )


@dataclass
class Machine:
    roots: dict[str, int] = field(default_factory=dict)
    """Role -> the root of its process tree."""
    supervisor: int | None = None
    """Of the production set, whose processes have their own roles."""

    def cpu_s(self) -> Counter[str]:
        """Return seconds since the processes began, including those of ended children."""
        used: Counter[str] = Counter()
        for role, process in self._processes():
            with suppress(psutil.NoSuchProcess):  # a connection of PostgreSQL has ended
                times = process.cpu_times()
                used[role] += times.user + times.system + times.children_user + times.children_system
        return used

    def sizes(self) -> dict[str, Size]:
        found: dict[str, Size] = {}
        for role, process in self._processes():
            size = found.setdefault(role, Size())
            with suppress(psutil.NoSuchProcess):
                memory, threads = process.memory_full_info(), process.num_threads()
                size.processes += 1
                size.threads = max(size.threads, threads)
                size.memory += getattr(memory, "pss", memory.rss)
        return found

    def _processes(self) -> Iterator[tuple[str, psutil.Process]]:
        for role, pid in self.roots.items():
            for process in tree(psutil.Process(pid)):
                yield role, process
        if self.supervisor is not None:
            supervisor = psutil.Process(self.supervisor)
            yield OTHERS, supervisor
            for child in supervisor.children():
                role = role_of(child)
                for process in tree(child):
                    yield role, process


def tree(root: psutil.Process) -> list[psutil.Process]:
    return [root, *root.children(recursive=True)]


def role_of(process: psutil.Process) -> str:
    command = " ".join(process.cmdline())
    return next((role for part, role in PARTS.items() if part in command), OTHERS)
