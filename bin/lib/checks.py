"""bin/check: lint, format, types, import rules, migrations, settings and known vulnerabilities, side by side.

    bin/check

Vulnerabilities need the network; without it that check is skipped, and says so.
"""

import contextlib
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import audit
import hermetic
from runner import CommandRunner

ROOT = Path(__file__).resolve().parents[2]
AUDIT = "known vulnerabilities (pip-audit)"
CHECKS = {
    "lint (ruff check)": ["-m", "ruff", "check", "."],
    "format (ruff format)": ["-m", "ruff", "format", "--check", "."],
    "lint of scripts (oxlint)": ["bin/lib/native.py", "oxlint", "--deny-warnings", "static/js"],
    "format of scripts and styles (oxfmt)": [
        "bin/lib/native.py",
        "oxfmt",
        "--check",
        "static/js",
        "static/css",
    ],
    "format of templates (djangofmt)": ["bin/lib/templates.py", "--check"],
    "types (mypy)": ["-m", "mypy"],
    "import rules": ["-c", "from importlinter.cli import lint_imports_command as check; check()"],
    "migration drift": ["manage.py", "makemigrations", "--check", "--dry-run"],
    "system check": ["manage.py", "check"],
    AUDIT: ["bin/lib/audit.py"],
}
"""Arguments for Python by name; each prints what is wrong and exits with 1, or exits with 0."""


def run_checks(runner: CommandRunner, environment: dict[str, str], *, audited: bool = True) -> list[str]:
    """Run all checks at once and print what the failed ones wrote; return their names.

    `audited`: look for known vulnerabilities too, whose result depends on the day and on the network.
    """
    failed = []
    started = time.monotonic()
    with contextlib.ExitStack() as files:
        running = {}
        for name, command in CHECKS.items():
            if name == AUDIT and not audited:
                continue
            output = files.enter_context(tempfile.TemporaryFile("w+"))
            # The audit leaves this machine, through the developer's own proxy. It runs none of our code.
            env = dict(os.environ) if name == AUDIT else environment
            popen = {"env": env, "stdout": output, "stderr": subprocess.STDOUT}
            running[name] = runner.start([sys.executable, *command], **popen), output
        while running:
            time.sleep(0.05)
            for name, (child, output) in list(running.items()):
                if child.poll() is None:
                    continue
                code, _ = runner.wait(child), running.pop(name)
                if runner.interrupted:
                    continue
                output.seek(0)
                result = {0: "ok", audit.SKIPPED: "skipped"}.get(code, "failed")
                say(f"{name}: {result} ({time.monotonic() - started:.1f} s)")
                if result != "ok":
                    print(output.read(), end="", flush=True)
                if result == "failed":
                    failed.append(name)
    return failed


def main(arguments: list[str]) -> int:
    if arguments:
        print(__doc__)
        return 0 if {"-h", "--help"} & set(arguments) else 2
    with (
        tempfile.TemporaryDirectory(prefix="pantheon-", ignore_cleanup_errors=True) as data_dir,
        CommandRunner() as runner,
    ):
        failed = run_checks(runner, hermetic.environment(data_dir))
        if failed:
            say(f"failed: {', '.join(failed)}")
    return 130 if runner.interrupted else int(bool(failed))


def say(text: str) -> None:
    print(f"pantheon: {text}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    os.chdir(ROOT)
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(130)
