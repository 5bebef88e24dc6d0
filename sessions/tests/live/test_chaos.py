"""The production setup under load while its parts are killed, restarted and cut off: nothing is lost or counts twice.

`bench/chaos.py` runs it in a process of its own, on a PostgreSQL of its own, which is restarted. A failed run prints
its seed: `bench/chaos.py --seed N` repeats the plan.
"""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
from typing import Any

import pytest
from django.conf import settings

from sessions.tests.chaos.faults import FAULTS
from sessions.tests.chaos.transcript import Transcript

SHORT = ["--minutes", "0", "--users", "2", "--lease-s", "8", "--recover-every-s", "0.5", "--outage-s", "1.5"]
"""Each fault once."""

GIVEN_UP_AFTER_S = 420


@pytest.mark.skipif(
    settings.DATABASES["default"]["ENGINE"].endswith("sqlite3"), reason="workers need PostgreSQL"
)
def test_nothing_is_lost_and_nothing_counts_twice(tmp_path) -> None:
    seed = random.randrange(2**32)
    report = drill("--seed", str(seed), "--logs", str(tmp_path))
    assert report["breaches"] == []
    assert set(report["faults"]) == set(FAULTS)
    assert report["accepted"] >= 10
    modes = {turns.split()[0] for turns in report["turns"]}
    assert modes == {"manual", "roundtable", "orchestrator"}
    calls = report["calls"]
    assert calls["billed"] == calls["served"] + calls["never_sent"]
    assert calls["estimated"]


def drill(*arguments: str) -> dict[str, Any]:
    """Run the bench; return its report. Whatever goes wrong is shown with the plan."""
    command = [sys.executable, str(settings.BASE_DIR / "bench" / "chaos.py"), *SHORT, *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            out, err = process.communicate(timeout=GIVEN_UP_AFTER_S)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGTERM)  # it stops what it has started
            out, err = process.communicate()
        print(err, out)  # noqa: T201  (shown where the test failed)
        assert process.returncode in (0, 1), "the run came to no report"
        report: dict[str, Any] = json.loads(out)
        return report


def breaches_of(*events: tuple[int, dict[str, Any]]) -> list[str]:
    found: list[str] = []
    transcript = Transcript("t", found.append)
    for seq, event in events:
        transcript.take(seq, {"turn_id": "t", **event})
    return found


STARTED = (1, {"type": "turn.started"})
STEP = (2, {"type": "step.started", "step_id": "s"})
END = (4, {"type": "turn.completed", "status": "completed"})


def delta(seq: int, text: str) -> tuple[int, dict[str, Any]]:
    return seq, {"type": "step.delta", "kind": "text", "step_id": "s", "text": text}


def test_a_reader_notices_what_comes_twice_is_left_out_or_differs() -> None:
    said = (4, {"type": "step.completed", "step_id": "s", "text": "a"})
    end = (5, END[1])
    assert breaches_of(STARTED, STEP, delta(3, "a"), said, end) == []
    assert "came after 3" in breaches_of(STARTED, STEP, delta(3, "a"), delta(3, "a"))[0]
    assert "left out" in breaches_of(STARTED, STEP, delta(4, "a"))[0]
    assert "are not the text" in breaches_of(STARTED, STEP, delta(3, "b"), said)[0]
    assert "after the end" in breaches_of(STARTED, STEP, delta(3, "a"), END, (5, STARTED[1]))[0]
