"""Measure many concurrent streamed turns, beside the provider alone. See bench/README.md."""

from __future__ import annotations

import argparse
import json
import os
import resource
import signal
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sessions.tests.load.processes import ModelServer
    from sessions.tests.load.readers import Job, Report

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "bin" / "lib")]

DIRECT, PRODUCTION, EMBEDDED, COMPATIBLE = "direct", "production", "embedded", "compatible"
WARM_UP_TURNS = 2
"""Per stream, before the measurement starts."""

SLOW_WORDS = 20
SLOW_TIMEOUTS = 4
"""Timeout of a slow turn, as a multiple of its length."""

SAMPLE_EVERY_S = 1.0
CLEAN = "clean"
MIB = 1024 * 1024

JobOf = Callable[..., "Job"]
"""Called with the model's id and `streams`, `turns` and so on."""


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    add = parser.add_argument
    add("--streams", type=numbers, default=[1, 16, 64], help="streams at once (1,16,64)")
    add("--turns", type=int, default=200, help="the most turns of a measurement (200)")
    add("--rounds", type=int, default=2, help="how often each target has its turn (2)")
    add("--words", type=int, default=20, help="words of an answer (20)")
    add("--ms", type=int, default=20, help="milliseconds between two words (20)")
    targets = "direct,production,embedded; compatible is production by its OpenAI-compatible API"
    add("--only", type=names, default=[DIRECT, PRODUCTION, EMBEDDED], metavar="TARGETS", help=targets)
    against = "another OpenAI-compatible server, which forwards to our provider"
    form = "NAME=BASE_URL,KEY[,MODEL]"
    add("--against", type=gateway, action="append", default=[], metavar=form, help=against)
    add("--provider-port", type=int, default=0, help="where the provider listens (any free port)")
    add("--slow", type=int, default=0, metavar="N", help="then ask for N slow turns at once")
    add("--slow-s", type=float, default=30.0, help="how long each of them takes (30)")
    add("--json", type=Path, metavar="FILE", help="write the figures there, too")
    add("--logs", type=Path, help="keep the processes' logs in this directory")
    return parser.parse_args()


def numbers(text: str) -> list[int]:
    return [int(part) for part in text.split(",") if part]


def names(text: str) -> list[str]:
    parts = [part for part in text.split(",") if part]
    if unknown := set(parts) - {DIRECT, PRODUCTION, EMBEDDED, COMPATIBLE}:
        raise argparse.ArgumentTypeError(f"no target: {', '.join(sorted(unknown))}")
    return parts


def gateway(text: str) -> tuple[str, str, str, str | None]:
    name, _, rest = text.partition("=")
    parts = rest.split(",")
    if not name or len(parts) not in (2, 3):
        raise argparse.ArgumentTypeError("NAME=BASE_URL,KEY[,MODEL] is wanted")
    return name, parts[0], parts[1], parts[2] if len(parts) == 3 else None


def main() -> int:
    arguments = options()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that child processes are stopped
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))  # a process has one or two sockets per stream
    with tempfile.TemporaryDirectory(prefix="pantheon-load-", ignore_cleanup_errors=True) as name:
        import hermetic

        hermetic.clean(os.environ, data_dir=name)
        for url in ("DATABASE_URL", "REDIS_URL"):
            os.environ.pop(url, None)
        os.environ["DJANGO_SETTINGS_MODULE"] = "pantheon.settings"
        report = Bench(arguments, Path(name)).run()
    if arguments.json:
        arguments.json.write_text(json.dumps(report, indent=1) + "\n")
    return 0 if report.get("audit", CLEAN) == CLEAN else 1


# --- What is measured -------------------------------------------------------------------------------------------------


@dataclass
class LoadMeasurement:
    """The measurements of a target at a number of streams."""

    streams: int
    target: str
    reports: list[Report] = field(default_factory=list)
    cpu_s: Counter[str] = field(default_factory=Counter)
    """Role -> processor time of its processes."""

    def row(self) -> dict[str, Any]:
        turns = [turn for report in self.reports for turn in report.turns]
        first, whole = [turn.first_ms for turn in turns], [turn.whole_ms for turn in turns]
        errors = sum((Counter(report.errors) for report in self.reports), Counter[str]())
        return {
            "streams": self.streams,
            "target": self.target,
            "first_word_ms": {"p50": quantile(first, 0.5), "p95": quantile(first, 0.95)},
            "turn_ms": {"p50": quantile(whole, 0.5), "p95": quantile(whole, 0.95)},
            "turns_per_s": round(len(turns) / sum(report.wall_s for report in self.reports), 1),
            "turns": len(turns),
            "live": sum(report.live for report in self.reports),
            "snapshots": sum(turn.snapshots > 0 for turn in turns),
            "errors": dict(errors),
            "cpu_ms_per_turn": {
                role: round(1000 * seconds / max(1, len(turns)), 1) for role, seconds in self.cpu_s.items()
            },
        }


def quantile(values: list[float], part: float) -> float:
    return round(sorted(values)[min(len(values) - 1, int(len(values) * part))], 1) if values else 0.0


class Bench:
    """Starts all processes, and measures the targets in turn."""

    ROWS = (sys.executable, "-m", "sessions.tests.load.rows")

    def __init__(self, arguments: argparse.Namespace, directory: Path) -> None:
        from sessions.tests.load.machine import Machine

        self._arguments = arguments
        self._directory = directory
        self._machine = Machine()
        self._targets: dict[str, JobOf] = {}
        self._production_url = ""
        self._models: ModelServer

    def run(self) -> dict[str, Any]:
        from sessions.tests.load.model_server import model_id

        arguments = self._arguments
        self._model = model_id(arguments.words, arguments.ms)
        self._slow_model = model_id(SLOW_WORDS, round(1000 * arguments.slow_s / SLOW_WORDS))
        report: dict[str, Any] = {}
        with ExitStack() as stack:
            self._start(stack)
            report["rows"] = [row for streams in arguments.streams for row in self._measure(streams)]
            print_speed(report["rows"])
            print_processor_time(report["rows"])
            if arguments.slow:
                report["slow"] = self._slow()
                print_slow(report["slow"])
            if self._production_url:
                report["audit"] = self._audit()
                print(f"\nAudit: {report['audit']}.")
            report["load_average"] = round(os.getloadavg()[0], 1)
            print(f"Load average: {report['load_average']}.")
        return report

    # --- Starting -----------------------------------------------------------------------------------------------------

    def _start(self, stack: ExitStack) -> None:
        from sessions.tests.load.processes import ModelServer, completions_of

        arguments = self._arguments
        self._models = stack.enter_context(ModelServer(arguments.provider_port))
        self._machine.roots["provider"] = self._models.pid
        note(f"provider: {self._models.base_url}, model {self._model}, any key")
        if DIRECT in arguments.only:
            self._targets[DIRECT] = lambda model, **more: completions_of(
                self._models.base_url, "none", model, **more
            )
        if {PRODUCTION, COMPATIBLE} & set(arguments.only) or arguments.slow:
            self._start_production(stack)
        if EMBEDDED in arguments.only:
            self._start_embedded(stack)
        for name, base_url, key, model in arguments.against:
            self._targets[name] = gateway_job(base_url, key, model)

    def _start_production(self, stack: ExitStack) -> None:
        from sessions.tests.load.processes import completions_of, production, turns_of
        from sessions.tests.support.postgres_process import PostgresProcess
        from sessions.tests.support.redis_process import RedisProcess

        postgres = stack.enter_context(PostgresProcess())
        redis_server = stack.enter_context(RedisProcess(self._directory))
        place = self._rows(DATABASE_URL=postgres.url)
        server = stack.enter_context(
            production(
                self._log_directory(PRODUCTION), "", redis_url=redis_server.url, DATABASE_URL=postgres.url
            )
        )
        self._production_url = postgres.url
        self._machine.supervisor = server.pid
        self._machine.roots |= {"PostgreSQL": postgres.pid, "Redis": redis_server.pid}
        self._ask_production = lambda model, **more: turns_of(server, model=model, **place, **more)
        if PRODUCTION in self._arguments.only:
            self._targets[PRODUCTION] = self._ask_production
        if COMPATIBLE in self._arguments.only:
            key = place["authorization"].removeprefix("Bearer ")
            url = f"http://127.0.0.1:{server.port}/v1"
            self._targets[COMPATIBLE] = lambda model, **more: completions_of(
                url, key, f"agent:{model}", **more
            )

    def _start_embedded(self, stack: ExitStack) -> None:
        from sessions.tests.load.processes import running, turns_of

        environment = {
            "PANTHEON_DATA_DIR": str(self._directory / "embedded"),
            "DATABASE_URL": f"sqlite:///{self._directory}/embedded.sqlite3",
        }
        place = self._rows(**environment)
        server = stack.enter_context(running(self._log_directory(EMBEDDED), "", **environment))
        self._machine.roots[EMBEDDED] = server.pid
        self._targets[EMBEDDED] = lambda model, **more: turns_of(server, model=model, **place, **more)

    def _log_directory(self, name: str) -> Path:
        directory: Path = (self._arguments.logs or self._directory / "logs") / name
        directory.mkdir(parents=True, exist_ok=True)
        return directory

    def _rows(self, **environment: str) -> dict[str, str]:
        """Fill a database; return the data that its readers need."""
        completed = subprocess.run(
            [*self.ROWS, self._models.base_url, self._model, self._slow_model],
            cwd=ROOT,
            env={**os.environ, **environment},
            stdout=subprocess.PIPE,
            check=True,
            text=True,
        )
        rows: dict[str, str] = json.loads(completed.stdout)
        return rows

    # --- Measuring ----------------------------------------------------------------------------------------------------

    def _measure(self, streams: int) -> list[dict[str, Any]]:
        """Measure all targets at a number of streams, alternating, so that a slowing machine affects all alike."""
        from sessions.tests.load.processes import run_job

        turns = max(4 * streams, min(self._arguments.turns, 20 * streams))
        share = max(streams, turns // self._arguments.rounds)
        measurements = {name: LoadMeasurement(streams, name) for name in self._targets}
        for job in self._targets.values():
            run_job(job(self._model, streams=streams, turns=WARM_UP_TURNS * streams))
        for _ in range(self._arguments.rounds):
            for name, job in self._targets.items():
                note(f"{name}, {streams} streams")
                before = self._machine.cpu_s()
                report = run_job(job(self._model, streams=streams, turns=share))
                used = self._machine.cpu_s()
                used.subtract(before)
                measurements[name].reports.append(report)
                measurements[name].cpu_s.update(used)
                measurements[name].cpu_s["client"] += report.cpu_s
        return [measured.row() for measured in measurements.values()]

    def _slow(self) -> dict[str, Any]:
        """Start slow turns all at once; sample the processes until the last one has ended."""
        from sessions.tests.load.processes import JobProcess

        arguments = self._arguments
        before = self._machine.sizes()
        most = dict(before)
        note(f"{arguments.slow} turns of {arguments.slow_s:g} s at once")
        job = JobProcess(
            self._ask_production(
                self._slow_model,
                streams=arguments.slow,
                turns=arguments.slow,
                all_at_once=True,
                timeout_s=SLOW_TIMEOUTS * arguments.slow_s,
            )
        )
        open_at_once = 0
        while (report := job.report(SAMPLE_EVERY_S)) is None:
            open_at_once = max(open_at_once, self._models.stats()["open"])
            for role, size in self._machine.sizes().items():
                most[role] = size.most(most[role])
        row = LoadMeasurement(arguments.slow, "slow", [report]).row()
        sizes = {role: {"before": asdict(before[role]), "most": asdict(size)} for role, size in most.items()}
        return {**row, "open_at_once": open_at_once, "sizes": sizes}

    def _audit(self) -> str:
        """Return the output of manage.py audit_ledger on the production set's ledger."""
        audit = subprocess.run(
            [sys.executable, "manage.py", "audit_ledger"],
            cwd=ROOT, env={**os.environ, "DATABASE_URL": self._production_url}, capture_output=True, text=True,
        )  # fmt: skip
        return CLEAN if audit.returncode == 0 else f"{audit.stdout}{audit.stderr}"


def gateway_job(base_url: str, key: str, model: str | None) -> JobOf:
    from sessions.tests.load.processes import completions_of

    return lambda ours, **more: completions_of(base_url, key, model or ours, **more)


# --- Showing ----------------------------------------------------------------------------------------------------------


def note(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def print_speed(rows: list[dict[str, Any]]) -> None:
    print()
    columns = (
        "first word: p50",
        "p95",
        "turn: p50",
        "p95",
        "turns per second",
        "live",
        "snapshots",
        "errors",
    )
    print_row("streams", "target", *columns)
    print("|---:|---" + "|---:" * len(columns) + "|")
    for row in rows:
        first, whole = row["first_word_ms"], row["turn_ms"]
        cells = (row["streams"], row["target"], f"{first['p50']:.0f} ms", f"{first['p95']:.0f} ms")
        cells += (f"{whole['p50']:.0f} ms", f"{whole['p95']:.0f} ms", row["turns_per_s"])
        live = f"{row['live']} of {row['turns']}"
        print_row(*cells, live, row["snapshots"], sum(row["errors"].values()))
    for row in rows:
        for text, count in row["errors"].items():
            note(f"{row['target']}, {row['streams']} streams: {count} times {text}")


def print_processor_time(rows: list[dict[str, Any]]) -> None:
    roles = list(dict.fromkeys(role for row in rows for role in row["cpu_ms_per_turn"]))
    print("\nProcessor time per turn, ms:\n")
    print_row("streams", "target", *roles)
    print("|---:|---" + "|---:" * len(roles) + "|")
    for row in rows:
        print_row(row["streams"], row["target"], *(row["cpu_ms_per_turn"].get(role, "") for role in roles))


def print_slow(slow: dict[str, Any]) -> None:
    first = slow["first_word_ms"]
    print(
        f"\n{slow['streams']} slow turns at once: {slow['open_at_once']} calls open at once, {slow['turns']} turns"
        f" completed, {slow['live']} of them live, {sum(slow['errors'].values())} errors; first word after"
        f" {first['p50'] / 1000:.1f} s (p50), {first['p95'] / 1000:.1f} s (p95).\n"
    )
    print_row("role", "processes", "threads before", "most", "MiB before", "most")
    print("|---|---:|---:|---:|---:|---:|")
    for role, size in slow["sizes"].items():
        before, most = size["before"], size["most"]
        memory = (f"{each['memory'] / MIB:.0f}" for each in (before, most))
        print_row(role, most["processes"], before["threads"], most["threads"], *memory)
    for text, count in slow["errors"].items():
        note(f"slow: {count} times {text}")


def print_row(*cells: object) -> None:
    print(f"| {' | '.join(map(str, cells))} |")


if __name__ == "__main__":
    sys.exit(main())
