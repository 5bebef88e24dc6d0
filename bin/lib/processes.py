"""Start and supervise Pantheon's processes, for bin/run.

Without REDIS_URL there is one process: the web server, which also runs the turns. With it there are the web server,
workers that run the turns, and beat, which schedules recovery. They start and stop together. A process that dies is
restarted after a growing pause while the others continue. Only a web server that cannot start at all stops the others.

--only web|worker|beat starts a single process, as containers do.
"""

import argparse
import contextlib
import ctypes
import math
import os
import platform
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
STOP_TIMEOUT_S = 20.0
"""The web server takes up to 10 s to finish requests, a worker a few seconds to hand its turns over."""

POLL_S = 0.2
KILL_TIMEOUT_S = 5.0
"""How long to wait for a killed process. One that is blocked on a broken disk does not even die."""

FIRST_START_S = 10.0
"""A web server that exits within this time of its first start cannot work with these settings."""

PAUSE_BASE_S, PAUSE_MAX_S = 0.5, 30.0
"""The pause before a restart. It doubles each time the process ends, up to the maximum."""

STEADY_S = 30.0
"""A process that has run for this long is steady: its next pause is the shortest again."""

RESTARTING_VARIABLE = "PANTHEON_RESTARTING"
"""Environment variable with the path of the file that lists processes that are not steady, for GET /api/v1/ready."""

WEB = ["-m", "gunicorn", "-c", "python:pantheon.gunicorn", "-k", "asgi", "--no-control-socket"]
WEB_APP = "pantheon.asgi:application"
CELERY = ["-m", "celery", "-A", "pantheon", "--quiet"]
ROLES = ("web", "worker", "beat")


def argument_parser() -> argparse.ArgumentParser:
    """Return the argument parser of bin/run."""
    parser = argparse.ArgumentParser(prog="bin/run", description="Start Pantheon.")
    parser.add_argument(
        "--production",
        action="store_true",
        help="several web processes, workers and beat; needs PostgreSQL (DATABASE_URL) and Redis (REDIS_URL)",
    )
    parser.add_argument("--only", choices=ROLES, help="start only this process")
    return parser


def web_command() -> list[str]:
    return [sys.executable, *WEB, WEB_APP]


def worker_command(name: str = "worker") -> list[str]:
    """Return the command of a worker, without messages between workers: ours coordinate through the database."""
    quiet = ["--without-gossip", "--without-mingle", "--without-heartbeat"]
    return [sys.executable, *CELERY, "worker", "--hostname", f"{name}@%h", "--loglevel", "INFO", *quiet]


def beat_command() -> list[str]:
    return [sys.executable, *CELERY, "beat", "--loglevel", "INFO"]


def set_web_processes() -> None:
    """Set WEB_CONCURRENCY, unless it is set, to the number of cores but 2 to 4."""
    if not os.environ.get("WEB_CONCURRENCY"):
        os.environ["WEB_CONCURRENCY"] = str(min(4, max(2, os.cpu_count() or 1)))


def say(text: str) -> None:
    print(f"pantheon: {text}", file=sys.stderr, flush=True)


@dataclass
class Child:
    """A supervised process."""

    name: str
    command: list[str]
    process: subprocess.Popen[bytes] | None = None
    starts: int = 0
    started_s: float = 0.0
    ends: int = 0
    """How often it has ended since it was last steady."""

    ended_s: float = 0.0

    def start(self) -> None:
        """Start the process. Raises OSError."""
        self.starts += 1
        self.started_s = time.monotonic()
        # In its own session, so that Ctrl-C reaches only the supervisor, which then stops each process once.
        self.process = subprocess.Popen(
            self.command, cwd=ROOT, start_new_session=True, preexec_fn=dies_with_parent(signal.SIGTERM)
        )

    def note_end(self) -> None:
        self.ends = 1 if self._ran_s >= STEADY_S else self.ends + 1
        self.process = None
        self.ended_s = time.monotonic()

    @property
    def is_refused(self) -> bool:
        """Whether it exited by itself right after its first start; a signal (negative code) does not count."""
        code = None if self.process is None else self.process.returncode
        return self.starts == 1 and (code is None or code >= 0) and self._ran_s < FIRST_START_S

    @property
    def is_steady(self) -> bool:
        return self.process is not None and (not self.ends or self._ran_s >= STEADY_S)

    @property
    def pause_s(self) -> float:
        """Pause before the next start."""
        doublings = min(self.ends - 1, math.ceil(math.log2(PAUSE_MAX_S / PAUSE_BASE_S)))
        return float(min(PAUSE_MAX_S, PAUSE_BASE_S * 2**doublings))

    @property
    def is_due(self) -> bool:
        return time.monotonic() >= self.ended_s + self.pause_s

    @property
    def _ran_s(self) -> float:
        return time.monotonic() - self.started_s


class Supervisor:
    """Restart processes that die; stop all at a signal, or if the web server cannot start."""

    def __init__(self, commands: dict[str, list[str]], restarting_path: Path) -> None:
        self._children = [Child(name, command) for name, command in commands.items()]
        self._restarting_path = restarting_path
        self._restarting: list[str] | None = None
        self._is_refused = False
        self._stopping = False

    def run(self) -> int:
        """Run until stopped; return 0 after a signal, 1 if the web server cannot start or a process was killed."""
        for number in stop_signals():
            signal.signal(number, self._stop)
        for child in self._children:
            self._start(child)
        while not self._stopping and not self._is_refused:
            for child in self._children:
                self._keep(child)
            self._write_restarting()
            time.sleep(POLL_S)
        clean = self._stop_all()
        return 0 if self._stopping and clean else 1

    def _stop(self, number: int, frame: object) -> None:
        self._stopping = True

    def _keep(self, child: Child) -> None:
        """Note if a process has ended, and restart it when its pause is over."""
        if child.process is None:
            if child.is_due:
                self._start(child)
        elif (code := child.process.poll()) is not None:
            forget_gauges(child.process.pid)
            self._note_end(child, f"ended with code {code}")

    def _start(self, child: Child) -> None:
        try:
            child.start()
        except OSError as error:  # out of memory or processes for now; the others continue
            self._note_end(child, f"could not be started ({error})")

    def _note_end(self, child: Child, how: str) -> None:
        if child.name == "web" and child.is_refused:
            say(f"{child.name} {how}; stopping the others")
            self._is_refused = True
        else:
            child.note_end()
            say(f"{child.name} {how}; restarting in {child.pause_s:g} s")

    def _write_restarting(self) -> None:
        """Write the names of processes that are not steady to the file for GET ready, when they change."""
        names = [child.name for child in self._children if not child.is_steady]
        if names == self._restarting:
            return
        for name in set(self._restarting or ()) - set(names):
            say(f"{name} is running again")
        self._restarting = names
        try:
            draft = self._restarting_path.with_suffix(".new")
            draft.write_text("".join(f"{name}\n" for name in names))
            draft.replace(self._restarting_path)  # atomic: GET ready never reads a partial file
        except OSError as error:
            say(f"GET /api/v1/ready cannot show which processes are restarting: {error}")

    def _stop_all(self) -> bool:
        """Stop all running processes; return whether all ended in time."""
        running = {child.name: child.process for child in self._children if child.process is not None}
        for process in running.values():
            process.terminate()
        deadline = time.monotonic() + STOP_TIMEOUT_S
        clean = True
        for name, process in running.items():
            try:
                process.wait(max(0.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                say(f"{name} did not stop within {STOP_TIMEOUT_S:.0f} s and is killed")
                clean = False
                process.kill()
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(KILL_TIMEOUT_S)
        return clean


def forget_gauges(pid: int) -> None:
    """Remove a dead process's live gauges from /metrics, which a killed process cannot do itself."""
    if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
        from prometheus_client.multiprocess import mark_process_dead

        mark_process_dead(pid)


def stop_signals() -> list[signal.Signals]:
    """Return the signals that stop everything; with a terminal also SIGHUP, sent when its window is closed."""
    numbers = [signal.SIGTERM, signal.SIGINT]
    return [*numbers, signal.SIGHUP] if sys.stdin.isatty() else numbers


def dies_with_parent(signal_number: signal.Signals) -> Callable[[], None] | None:
    """Return a preexec_fn that makes the kernel signal the child when this process dies, even by SIGKILL."""
    if platform.system() != "Linux":
        return None
    prctl = ctypes.CDLL(None).prctl  # looked up here: after fork only async-signal-safe work is allowed
    set_parent_death_signal = 1
    return lambda: prctl(set_parent_death_signal, int(signal_number))


def commands(settings: Any) -> dict[str, list[str]]:
    """Return the commands of the processes to start, by name."""
    by_name = {"web": web_command()}
    if settings.REDIS_URL:
        for number in range(1, settings.PANTHEON_WORKERS + 1):
            by_name[f"worker {number}"] = worker_command(f"worker{number}")
        by_name["beat"] = beat_command()
    return by_name


def main(arguments: list[str]) -> int:
    options = argument_parser().parse_args(arguments)
    sys.path.insert(0, str(ROOT))
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "pantheon.settings")
    from django.conf import settings

    from pantheon.config.startup import settings_load

    settings_load()
    all_of_them = commands(settings)  # reads .env
    if options.production:
        set_web_processes()
    if options.only:
        single = {"web": web_command(), "worker": worker_command(), "beat": beat_command()}[options.only]
        os.execv(single[0], single)  # noqa: S606  (our own command)
    if len(all_of_them) == 1:
        os.execv(sys.executable, all_of_them["web"])  # noqa: S606  (our own command)
    say(f"processes: {', '.join(all_of_them)}")
    with tempfile.TemporaryDirectory(prefix="pantheon-metrics-") as metrics:
        os.environ.setdefault(
            "PROMETHEUS_MULTIPROC_DIR", metrics
        )  # /metrics sums the counters of all processes
        restarting_path = Path(metrics) / "restarting"
        os.environ[RESTARTING_VARIABLE] = str(restarting_path)
        return Supervisor(all_of_them, restarting_path).run()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
