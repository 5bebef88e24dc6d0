"""The supervisor: what ends is started again, unless that cannot help."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

LIB = Path(__file__).parent
SUPERVISE = "import sys; import processes; sys.exit(processes.Supervisor({commands!r}).run())"


def supervise(*commands: str) -> subprocess.Popen[str]:
    """Start a supervisor of small Python programs, named 1, 2, ..."""
    named = {f"child {number}": [sys.executable, "-c", text] for number, text in enumerate(commands, 1)}
    return subprocess.Popen(
        [sys.executable, "-c", SUPERVISE.format(commands=named)],
        cwd=LIB,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.parametrize("code", [0, 3])
def test_one_that_leaves_at_its_first_start_stops_the_others(code: int) -> None:
    started = time.monotonic()
    supervisor = supervise("import time; time.sleep(60)", f"raise SystemExit({code})")
    _, said = supervisor.communicate(timeout=30)
    assert supervisor.returncode == 1
    assert f"child 2 ended with code {code}; stopping the others" in said
    assert "started again" not in said
    assert time.monotonic() - started < 20


def test_one_that_is_killed_every_time_is_given_up() -> None:
    supervisor = supervise("import os; os.kill(os.getpid(), 9)")
    _, said = supervisor.communicate(timeout=60)
    assert supervisor.returncode == 1
    pauses = [line.rpartition(" in ")[2] for line in said.splitlines() if "started again" in line]
    assert pauses == ["0.5 s", "1 s", "2 s"]
    assert "child 1 ended with code -9; stopping the others" in said


def test_a_signal_stops_all_at_once_while_one_waits_for_its_next_start() -> None:
    supervisor = supervise("import time; time.sleep(60)", "import os; os.kill(os.getpid(), 9)")
    assert supervisor.stderr is not None
    while "in 2 s" not in supervisor.stderr.readline():
        pass
    asked = time.monotonic()
    supervisor.terminate()
    supervisor.communicate(timeout=30)
    assert supervisor.returncode == 0
    assert time.monotonic() - asked < 1.9
