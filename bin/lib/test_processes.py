"""The supervisor restarts processes that end, without affecting the others."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest
from processes import STEADY_S, Child

LIB = Path(__file__).parent
SUPERVISE = """
import sys
from pathlib import Path
import processes
vars(processes).update({constants!r})
sys.exit(processes.Supervisor({commands!r}, Path({path!r})).run())
"""
STAYS = "import time; time.sleep(60)"
IS_KILLED = "import os; os.kill(os.getpid(), 9)"


class Supervised:
    """A supervisor of small Python programs."""

    def __init__(
        self, directory: Path, constants: dict[str, float] | None = None, **programs: str | list[str]
    ) -> None:
        self.path = directory / "restarting"
        commands = {
            name: [sys.executable, "-c", program] if isinstance(program, str) else program
            for name, program in programs.items()
        }
        text = SUPERVISE.format(constants=constants or {}, commands=commands, path=str(self.path))
        self.process = subprocess.Popen(
            [sys.executable, "-c", text], cwd=LIB, stderr=subprocess.PIPE, text=True
        )

    def read_until(self, part: str) -> str:
        """Return its output up to the first line with `part`."""
        assert self.process.stderr is not None
        lines: list[str] = []
        for line in self.process.stderr:
            lines.append(line)
            if part in line:
                return "".join(lines)
        raise AssertionError(f"it ended without {part!r}: {''.join(lines)}")

    def wait_until_file_is(self, text: str) -> None:
        deadline = time.monotonic() + 30
        while not self.path.exists() or self.path.read_text() != text:
            assert time.monotonic() < deadline
            time.sleep(0.02)

    def stop(self) -> int:
        self.process.terminate()
        self.process.communicate(timeout=30)
        return self.process.returncode


@pytest.mark.parametrize("code", [0, 3])
def test_a_web_server_that_cannot_start_stops_the_others(tmp_path: Path, code: int) -> None:
    supervised = Supervised(tmp_path, worker=STAYS, web=f"raise SystemExit({code})")
    _, text = supervised.process.communicate(timeout=30)
    assert supervised.process.returncode == 1
    assert f"web ended with code {code}; stopping the others" in text
    assert "restarting" not in text


def test_a_web_server_that_ran_is_started_again_for_ever(tmp_path: Path) -> None:
    marker = tmp_path / "started"
    program = f"""
import os, pathlib, sys
marker = pathlib.Path({str(marker)!r})
if not marker.exists():
    marker.touch()
    os.kill(os.getpid(), 9)
sys.exit(3)
"""
    supervised = Supervised(tmp_path, web=program)
    assert "web ended with code -9; restarting in 0.5 s" in supervised.read_until("in 0.5 s")
    supervised.read_until("web ended with code 3; restarting in 2 s")
    assert supervised.stop() == 0


@pytest.mark.parametrize("program", [IS_KILLED, "raise SystemExit(3)"])
def test_a_process_that_keeps_dying_stops_no_other(tmp_path: Path, program: str) -> None:
    supervised = Supervised(tmp_path, web=STAYS, worker=program)
    text = supervised.read_until("in 4 s")
    pauses = [line.rpartition(" in ")[2] for line in text.splitlines()]
    assert pauses == ["0.5 s", "1 s", "2 s", "4 s"]
    assert all("worker ended" in line for line in text.splitlines())
    supervised.wait_until_file_is("worker\n")
    assert supervised.stop() == 0


def test_a_command_that_cannot_be_executed_stops_no_other(tmp_path: Path) -> None:
    supervised = Supervised(tmp_path, web=STAYS, worker=[str(tmp_path / "missing")])
    assert "worker could not be started ([Errno 2]" in supervised.read_until("in 1 s")
    supervised.wait_until_file_is("worker\n")
    assert supervised.stop() == 0


def test_a_restarted_process_is_reported_once_it_is_steady(tmp_path: Path) -> None:
    marker = tmp_path / "started"
    program = f"""
import os, pathlib, time
marker = pathlib.Path({str(marker)!r})
if not marker.exists():
    time.sleep(1)
    marker.touch()
    os.kill(os.getpid(), 9)
time.sleep(60)
"""
    supervised = Supervised(tmp_path, {"STEADY_S": 2.0}, web=STAYS, worker=program)
    supervised.wait_until_file_is("")
    supervised.wait_until_file_is("worker\n")
    supervised.read_until("worker is running again")
    supervised.wait_until_file_is("")
    assert supervised.stop() == 0


def test_the_pause_doubles_up_to_30_s_and_begins_again_after_a_steady_run() -> None:
    child = Child("worker", [])
    pauses = []
    for _ in range(5000):
        child.started_s = time.monotonic()
        child.note_end()
        pauses.append(child.pause_s)
    assert pauses[:8] == [0.5, 1, 2, 4, 8, 16, 30, 30]
    assert set(pauses[8:]) == {30}
    child.started_s = time.monotonic() - STEADY_S
    child.note_end()
    assert child.pause_s == 0.5


def test_a_signal_stops_all_while_one_waits_for_its_next_start(tmp_path: Path) -> None:
    supervised = Supervised(tmp_path, {"PAUSE_BASE_S": 20.0}, web=STAYS, worker=IS_KILLED)
    supervised.read_until("in 20 s")
    supervised.process.terminate()
    _, text = supervised.process.communicate(timeout=30)
    assert supervised.process.returncode == 0
    assert "worker ended" not in text, "it was not started again first"
