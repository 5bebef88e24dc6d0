"""Run all checks, then the tests on a SQLite file, then again on real PostgreSQL and Redis.

    bin/test [--sqlite | --postgres] [--quick] [--coverage] [pytest arguments]

--sqlite, --postgres   only this test run, with every test; of two runs, each leaves out what the other one covers
--quick                skip the checks (those of bin/check, without its audit for vulnerabilities)
--coverage             measure line coverage; print the total and the files with low coverage
PYTEST_WORKERS         number of test processes (default 2; 0: run in the main process)
DATABASE_URL, REDIS_URL   servers to use instead of temporary ones
"""

import os
import sys
import tempfile
from pathlib import Path

import covered
import division
import hermetic
from checks import run_checks, say
from runner import CommandRunner
from testservers import ServerError, servers

ROOT = Path(__file__).resolve().parents[2]
FAILED = "FAILED_BEFORE_THE_TESTS"
"""Environment variable with the failed checks, which conftest.py shows above pytest's last line."""


def main(arguments: list[str]) -> int:
    if {"-h", "--help"} & set(arguments):
        print(__doc__)
        return 0
    ours = {"--sqlite", "--postgres", "--quick", "--coverage"}
    options = ours & set(arguments)
    pytest_arguments = [argument for argument in arguments if argument not in ours]
    failed: list[str] = []
    with (
        tempfile.TemporaryDirectory(prefix="pantheon-", ignore_cleanup_errors=True) as data_dir,
        CommandRunner() as runner,
    ):
        suite = Suite(
            runner,
            data_dir,
            pytest_arguments,
            measured="--coverage" in options,
            divided=options.isdisjoint({"--sqlite", "--postgres"}),
        )
        if "--quick" not in options:
            failed += run_checks(runner, suite.environment, audited=False)
        if "--postgres" not in options and not runner.interrupted:
            say("tests on a SQLite file ...")
            failed += suite.tests("tests on SQLite", division.SQLITE, {}, failed)
        if "--sqlite" not in options and not runner.interrupted:
            say("tests on PostgreSQL and Redis ...")
            with servers() as urls:
                failed += suite.tests("tests on PostgreSQL and Redis", division.POSTGRES, urls, failed)
        if "--coverage" in options and not runner.interrupted:
            covered.show(data_dir, suite.environment)
    return 130 if runner.interrupted else int(bool(failed))


class Suite:
    """The test runs of one bin/test. `tests` returns the names of those that failed."""

    def __init__(
        self,
        runner: CommandRunner,
        data_dir: str,
        pytest_arguments: list[str],
        *,
        measured: bool,
        divided: bool,
    ) -> None:
        self.runner = runner
        self.divided = divided
        self.environment = hermetic.environment(data_dir)
        self.pytest = ["-m", "pytest", *pytest_arguments]
        if measured:
            self.environment |= covered.variables(data_dir)
            self.pytest = [*covered.MEASURED, *self.pytest]

    def tests(self, name: str, run: str, urls: dict[str, str], failed_before: list[str]) -> list[str]:
        workers = os.environ.get("PYTEST_WORKERS", "2")
        parallel = [] if workers == "0" else ["-n", workers]
        code = self.runner.run(
            [sys.executable, *self.pytest, *parallel],
            env={
                **self.environment,
                **urls,
                division.DIVISION: run if self.divided else "",
                FAILED: ", ".join(failed_before),
            },
        )
        return [name] if code else []


if __name__ == "__main__":
    os.chdir(ROOT)
    try:
        sys.exit(main(sys.argv[1:]))
    except ServerError as error:
        say(str(error))
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)
