"""Line coverage of a bin/test: what all its processes ran, on both databases."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

LOW_PERCENT = 80
MEASURED = ["-m", "coverage", "run"]
"""Arguments for Python before `-m module`: measure it and the processes that it starts."""


def variables(data_dir: str) -> dict[str, str]:
    """Return the environment in which every process writes its data into `data_dir`."""
    return {"COVERAGE_FILE": str(Path(data_dir) / "coverage")}


def show(data_dir: str, environment: dict[str, str]) -> None:
    """Combine what was measured; print the total, and the files below LOW_PERCENT, lowest first."""
    path = Path(data_dir) / "coverage.json"
    for command in (["combine", "--quiet"], ["json", "--quiet", "--fail-under=0", "-o", str(path)]):
        measured = {**environment, **variables(data_dir)}
        if subprocess.run([sys.executable, "-m", "coverage", *command], env=measured).returncode:
            return  # it has said why: no data, mostly because no test ran
    print(*lines(json.loads(path.read_text())), sep="\n")


def lines(report: dict[str, Any]) -> Iterator[str]:
    """Yield the lines to print for a JSON report of coverage."""
    percents = {
        name: file["summary"]["percent_covered"]
        for name, file in report["files"].items()
        if file["summary"]["num_statements"]
    }
    yield f"coverage: {report['totals']['percent_covered']:.1f} % of {report['totals']['num_statements']} lines"
    for name, percent in sorted(percents.items(), key=lambda item: (item[1], item[0])):
        if percent < LOW_PERCENT:
            yield f"{percent:5.1f} %  {name}"
