"""Start the processes of Pantheon: what bin/run does when everything is prepared.

Without REDIS_URL there is one: the web server, which runs the turns too. With it there are the web server, workers that
run the turns, and beat, which looks for turns without a runner; they start and stop together. One that dies is started
again. Where that does not help, all stop: whoever keeps services running decides what comes next.

--only web|worker|beat starts a single one, as containers do.
"""

import argparse
import ctypes
import os
import platform
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
STOP_TIMEOUT_S = 20.0
"""The web server needs 10 s for requests that are under way, a worker some seconds to hand its turns over."""

POLL_S = 0.2
FIRST_START_S = 10.0
"""A process that leaves by itself so early, when it was never started before, cannot work as things are set."""

MOST_ENDS = 4
ENDS_WITHIN_S = 60.0
"""A process that ends so often in this time is not started again."""

RESTART_BASE_S = 0.5
"""The pause before a process is started again, doubled for each of its further ends in that time."""

WEB = ["-m", "gunicorn", "-c", "python:pantheon.gunicorn", "-k", "asgi", "--no-control-socket"]
WEB_APP = "pantheon.asgi:application"
CELERY = ["-m", "celery", "-A", "pantheon", "--quiet"]
ROLES = ("web", "worker", "beat")


def options() -> argparse.ArgumentParser:
    """Return the arguments of bin/run."""
    parser = argparse.ArgumentParser(prog="bin/run", description="Start Pantheon.")
    parser.add_argument(
        "--production",
        action="store_true",
        help="several web processes, workers and beat; needs PostgreSQL (DATABASE_URL) and Redis (REDIS_URL)",
    )
    parser.add_argument("--only", choices=ROLES, help="start this one process of the production alone")
    return parser


def web_command() -> list[str]:
    return [sys.executable, *WEB, WEB_APP]


def worker_command(name: str = "worker") -> list[str]:
    """Return a worker's command. Gossip and mingle are for clusters that know of each other; ours meet in rows."""
    quiet = ["--without-gossip", "--without-mingle", "--without-heartbeat"]
    return [sys.executable, *CELERY, "worker", "--hostname", f"{name}@%h", "--loglevel", "INFO", *quiet]


def beat_command() -> list[str]:
    return [sys.executable, *CELERY, "beat", "--loglevel", "INFO"]


def set_web_processes() -> None:
    """Have gunicorn start a process per core, two to four, where WEB_CONCURRENCY does not say how many."""
    if not os.environ.get("WEB_CONCURRENCY"):
        os.environ["WEB_CONCURRENCY"] = str(min(4, max(2, os.cpu_count() or 1)))


def say(text: str) -> None:
    print(f"pantheon: {text}", file=sys.stderr, flush=True)


@dataclass
class Child:
    """A process that is to run, with what is remembered of its ends."""

    name: str
    command: list[str]
    process: subprocess.Popen[bytes] | None = None
    started_s: float = 0.0
    ends_s: list[float] = field(default_factory=list)
    """When it ended by itself, as far as that counts."""

    def start(self) -> None:
        # A session of its own: Ctrl-C in a terminal is for the supervisor, which then stops all of them once.
        self.process = subprocess.Popen(
            self.command, cwd=ROOT, start_new_session=True, preexec_fn=dies_with_parent(signal.SIGTERM)
        )
        self.started_s = time.monotonic()

    def note_end(self) -> bool:
        """Remember that it ended; return whether it is to be started again."""
        assert self.process is not None
        now_s = time.monotonic()
        refused = self.process.returncode >= 0 and now_s - self.started_s < FIRST_START_S and not self.ends_s
        self.process = None
        self.ends_s = [*(end_s for end_s in self.ends_s if now_s - end_s < ENDS_WITHIN_S), now_s]
        return not refused and len(self.ends_s) < MOST_ENDS

    @property
    def pause_s(self) -> float:
        """How long it waits for its next start after it ended."""
        return float(RESTART_BASE_S * 2 ** (len(self.ends_s) - 1))

    @property
    def is_due(self) -> bool:
        return time.monotonic() >= self.ends_s[-1] + self.pause_s


class Supervisor:
    """Owns the processes: starts again what dies, stops all when it is told to, or when one cannot be kept running."""

    def __init__(self, commands: dict[str, list[str]]) -> None:
        self._children = [Child(name, command) for name, command in commands.items()]
        self._stopping = False

    def run(self) -> int:
        """Return the exit code: 0 after a signal, 1 where a process did not stay or had to be killed."""
        for number in stop_signals():
            signal.signal(number, self._stop)
        for child in self._children:
            child.start()
        while not self._stopping and all(self._is_kept(child) for child in self._children):
            time.sleep(POLL_S)
        clean = self._stop_all()
        return 0 if self._stopping and clean else 1

    def _stop(self, number: int, frame: object) -> None:
        self._stopping = True

    def _is_kept(self, child: Child) -> bool:
        """Start a process again that ended, in due time; return whether it is worth it."""
        if child.process is None:
            if child.is_due:
                child.start()
        elif (code := child.process.poll()) is not None:
            forget_gauges(child.process.pid)
            if not child.note_end():
                say(f"{child.name} ended with code {code}; stopping the others")
                return False
            say(f"{child.name} ended with code {code}; it is started again in {child.pause_s:g} s")
        return True

    def _stop_all(self) -> bool:
        """Stop what runs; return whether all of it ended in time."""
        running = {child.name: child.process for child in self._children if child.process is not None}
        for process in running.values():
            process.terminate()
        deadline = time.monotonic() + STOP_TIMEOUT_S
        clean = True
        for name, process in running.items():
            try:
                process.wait(max(0.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                say(f"{name} did not stop in {STOP_TIMEOUT_S:.0f} s and is killed")
                clean = False
                process.kill()
                process.wait()
        return clean


def forget_gauges(pid: int) -> None:
    """Take what a process that is gone showed as its present state out of /metrics: one that is killed cannot."""
    if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
        from prometheus_client.multiprocess import mark_process_dead

        mark_process_dead(pid)


def stop_signals() -> list[signal.Signals]:
    """Return what stops everything; a closed terminal window does, too."""
    numbers = [signal.SIGTERM, signal.SIGINT]
    return [*numbers, signal.SIGHUP] if sys.stdin.isatty() else numbers


def dies_with_parent(signal_number: signal.Signals) -> Callable[[], None] | None:
    """For preexec_fn: have the kernel send the child a signal when this process dies, however it dies."""
    if platform.system() != "Linux":
        return None
    prctl = ctypes.CDLL(None).prctl
    set_parent_death_signal = 1
    return lambda: prctl(set_parent_death_signal, int(signal_number))


def commands(settings: Any) -> dict[str, list[str]]:
    """Return what is to run, by name."""
    found = {"web": web_command()}
    if settings.REDIS_URL:
        for number in range(1, settings.PANTHEON_WORKERS + 1):
            found[f"worker {number}"] = worker_command(f"worker{number}")
        found["beat"] = beat_command()
    return found


def main(arguments: list[str]) -> int:
    given = options().parse_args(arguments)
    sys.path.insert(0, str(ROOT))
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "pantheon.settings")
    from django.conf import settings

    from pantheon.startup import settings_load

    settings_load()
    all_of_them = commands(settings)  # reads .env
    if given.production:
        set_web_processes()
    if given.only:
        single = {"web": web_command(), "worker": worker_command(), "beat": beat_command()}[given.only]
        os.execv(single[0], single)  # noqa: S606  (our own command)
    if len(all_of_them) == 1:
        os.execv(sys.executable, all_of_them["web"])  # noqa: S606  (our own command)
    say(f"processes: {', '.join(all_of_them)}")
    with tempfile.TemporaryDirectory(prefix="pantheon-metrics-") as metrics:
        os.environ.setdefault("PROMETHEUS_MULTIPROC_DIR", metrics)  # /metrics adds up what all of them count
        return Supervisor(all_of_them).run()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
