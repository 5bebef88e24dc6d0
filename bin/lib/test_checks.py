"""What bin/check makes of its commands, and of what pip-audit reports."""

import json
import sys

import audit
import checks
import hermetic
import pytest
from runner import CommandRunner

import templates


def package(name, *vulnerabilities):
    found = [{"id": name, "fix_versions": versions} for name, versions in vulnerabilities]
    return {"name": name, "version": "1.0", "vulns": found}


def report(*packages):
    return json.dumps({"dependencies": packages, "fixes": []})


UNKNOWN = {"name": "private", "skip_reason": "not found"}


@pytest.mark.parametrize(
    ("written", "errors", "code", "line"),
    [
        (report(package("a"), UNKNOWN), "", 0, "1 of 2 packages looked up."),
        (report(package("a", ("CVE-1", ["1.1", "2.0"]))), "", 1, "a 1.0: CVE-1, fixed in 1.1, 2.0"),
        (report(package("a", ("CVE-1", []))), "", 1, "a 1.0: CVE-1, fixed in no version yet"),
        (report(UNKNOWN), "", audit.SKIPPED, "The database of vulnerabilities knows none of the 1 packages."),
        (
            "",
            "Traceback:\nConnectionError: no route\n",
            audit.SKIPPED,
            "The database of vulnerabilities cannot be reached: ConnectionError: no route",
        ),
    ],
)
def test_pip_audits_report_is_judged(written, errors, code, line):
    assert audit.judge(written, errors) == (code, [line])


def test_all_checks_run_and_the_failed_ones_are_named_and_shown(monkeypatch, tmp_path, capfd):
    monkeypatch.setattr(
        checks,
        "CHECKS",
        {
            "good": ["-c", "print('quiet')"],
            "bad": ["-c", "print('line 3 is wrong'); raise SystemExit(1)"],
            "offline": ["-c", f"print('no network'); raise SystemExit({audit.SKIPPED})"],
        },
    )
    assert checks.run_checks(CommandRunner(), hermetic.environment(str(tmp_path))) == ["bad"]
    output, log = capfd.readouterr()
    assert sorted(output.splitlines()) == ["line 3 is wrong", "no network"]
    assert [log.count(word) for word in ("good: ok", "bad: failed", "offline: skipped")] == [1, 1, 1]


def test_a_runner_returns_the_exit_code():
    assert CommandRunner().run([sys.executable, "-c", "raise SystemExit(3)"]) == 3


def test_a_badly_formatted_template_and_a_long_line_are_named(tmp_path):
    page = tmp_path / "page.html"
    page.write_text(f"<p  class='a'>{{# {'x' * 120} #}}</p>\n")
    assert any(line.startswith("+") and '<p class="a">' in line for line in templates.wrong_formats(tmp_path))
    assert templates.long_lines(tmp_path) == [f"{page}:1: 144 columns, more than 120"]
