"""Look up known vulnerabilities of the packages in requirements.txt.

Exits with 0 if there are none, 1 if there are some, and SKIPPED if the database of vulnerabilities does not answer.
"""

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

from processes import dies_with_parent

SKIPPED = 77
TIMEOUT_S = 20
ACCEPTED: tuple[str, ...] = ()
"""Ids of vulnerabilities that do not concern us. Each needs a comment that says why."""

COMMAND = [
    *(sys.executable, "-m", "pip_audit", "-r", "requirements.txt", "--require-hashes", "--disable-pip"),
    *("--format", "json", "--progress-spinner", "off", "--timeout", "5"),
    *(part for name in ACCEPTED for part in ("--ignore-vuln", name)),
]


def main() -> int:
    try:
        done = subprocess.run(
            COMMAND,
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
            preexec_fn=dies_with_parent(signal.SIGTERM),
        )
    except subprocess.TimeoutExpired:
        print(f"The database of vulnerabilities did not answer within {TIMEOUT_S} s.")
        return SKIPPED
    code, lines = judge(done.stdout, done.stderr)
    print(*lines, sep="\n")
    return code


def judge(report: str, errors: str) -> tuple[int, list[str]]:
    """Return the exit code and what to print for what pip-audit wrote. It writes no report if it cannot finish."""
    try:
        packages = json.loads(report)["dependencies"]
    except ValueError:
        reason = (errors.strip() or "no reason given").splitlines()[-1]
        return SKIPPED, [f"The database of vulnerabilities cannot be reached: {reason}"]
    audited = [package for package in packages if "skip_reason" not in package]
    if not audited:
        return SKIPPED, [f"The database of vulnerabilities knows none of the {len(packages)} packages."]
    lines = list(findings(audited))
    return int(bool(lines)), lines or [f"{len(audited)} of {len(packages)} packages looked up."]


def findings(packages: list[dict[str, Any]]) -> Iterator[str]:
    """Yield a line for each vulnerability."""
    for package in packages:
        for finding in package["vulns"]:
            fixed = ", ".join(finding["fix_versions"]) or "no version yet"
            yield f"{package['name']} {package['version']}: {finding['id']}, fixed in {fixed}"


if __name__ == "__main__":
    sys.exit(main())
