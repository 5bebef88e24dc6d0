"""bin/test: every check, then every test on a SQLite file, then again on real PostgreSQL and Redis.

    bin/test [--sqlite | --postgres] [--quick] [pytest arguments]

--sqlite, --postgres   only this one of the two test runs
--quick                without lint, types, import rules and migration drift
PYTEST_WORKERS         test processes (2; 0 = none of their own)
DATABASE_URL, REDIS_URL   servers to use instead of temporary ones
"""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import hermetic
from testservers import Runner, ServerError, servers

ROOT = Path(__file__).resolve().parents[2]
CHECKS = {
    "lint (ruff check)": ["-m", "ruff", "check", "."],
    "format (ruff format)": ["-m", "ruff", "format", "--check", "."],
    "types (mypy)": ["-m", "mypy"],
    "import rules": ["-c", "from importlinter.cli import lint_imports_command as check; check()"],
    "migration drift": ["manage.py", "makemigrations", "--check", "--dry-run"],
    "system check": ["manage.py", "check"],
}
FAILED = "FAILED_BEFORE_THE_TESTS"
"""The environment variable from which conftest.py shows the checks that failed, above pytest's last line."""


def main(arguments: list[str]) -> int:
    if {"-h", "--help"} & set(arguments):
        print(__doc__)
        return 0
    ours = {"--sqlite", "--postgres", "--quick"}
    options = ours & set(arguments)
    pytest_arguments = [argument for argument in arguments if argument not in ours]
    failed: list[str] = []
    with (
        tempfile.TemporaryDirectory(prefix="pantheon-", ignore_cleanup_errors=True) as data_dir,
        Runner() as runner,
    ):
        suite = Suite(runner, data_dir, pytest_arguments)
        if "--quick" not in options:
            failed += suite.checks()
        if "--postgres" not in options and not runner.interrupted:
            say("tests on a SQLite file ...")
            failed += suite.tests("tests on SQLite", {}, failed)
        if "--sqlite" not in options and not runner.interrupted:
            say("tests on PostgreSQL and Redis ...")
            with servers() as urls:
                failed += suite.tests("tests on PostgreSQL and Redis", urls, failed)
    return 130 if runner.interrupted else int(bool(failed))


class Suite:
    """The runs of one bin/test. Each method returns the names of what failed."""

    def __init__(self, runner: Runner, data_dir: str, pytest_arguments: list[str]) -> None:
        self.runner = runner
        self.pytest_arguments = pytest_arguments
        self.environment = dict(os.environ)
        for name in ("DATABASE_URL", "REDIS_URL"):
            self.environment.pop(name, None)
        hermetic.clean(self.environment, data_dir=data_dir)
        self.environment["TMPDIR"] = data_dir  # what a test process leaves when it is stopped goes with it

    def checks(self) -> list[str]:
        failed = []
        for name, command in CHECKS.items():
            started = time.monotonic()
            code, output = self.runner.run(
                [sys.executable, *command],
                env=self.environment,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
            )
            if self.runner.interrupted:
                break
            say(f"{name}: {'failed' if code else 'ok'} ({time.monotonic() - started:.1f} s)")
            if code:
                failed.append(name)
                print(output, flush=True)
        return failed

    def tests(self, name: str, urls: dict[str, str], failed_before: list[str]) -> list[str]:
        workers = os.environ.get("PYTEST_WORKERS", "2")
        parallel = [] if workers == "0" else ["-n", workers]
        code, _ = self.runner.run(
            [sys.executable, "-m", "pytest", *parallel, *self.pytest_arguments],
            env={**self.environment, **urls, FAILED: ", ".join(failed_before)},
        )
        return [name] if code else []


def say(text: str) -> None:
    print(f"pantheon: {text}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    os.chdir(ROOT)
    try:
        sys.exit(main(sys.argv[1:]))
    except ServerError as error:
        say(str(error))
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)
