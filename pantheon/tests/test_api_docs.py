"""Run every example of docs/api.md unchanged against a live server."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import settings

from accounts.tests.support.clients import bearer, make_user
from billing.models import UsageEvent
from sessions.models import ChatSession, Turn
from sessions.tests.factories import make_model
from sessions.tests.support.server_process import ServerProcess

pytestmark = pytest.mark.django_db(transaction=True)

EXAMPLE = re.compile(r"^```(sh|python)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@pytest.fixture
def server(tmp_path) -> Iterator[ServerProcess]:
    make_model()
    authorization = bearer(make_user("alice"))
    with ServerProcess(tmp_path, authorization, PANTHEON_DEMO_WORDS_PER_S="100000") as server:
        yield server


def examples(language: str) -> list[str]:
    text = (Path(settings.BASE_DIR) / "docs" / "api.md").read_text()
    return [code for found, code in EXAMPLE.findall(text) if found == language]


def run(server: ServerProcess, command: list[str], directory: Path) -> str:
    """Run a program with the server's URL and a token; return its output."""
    environment = {
        "PATH": os.environ["PATH"],
        "API": f"http://127.0.0.1:{server.port}/api/v1",
        "TOKEN": server.authorization.removeprefix("Bearer "),
        "NO_PROXY": "*",
    }
    done = subprocess.run(
        command, env=environment, cwd=directory, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_examples_run_from_top_to_bottom(server, tmp_path) -> None:
    script = tmp_path / "examples.sh"
    script.write_text("set -euo pipefail\n" + "echo\n".join(examples("sh")))
    printed = run(server, ["bash", str(script)], tmp_path)
    assert '"fits_budget":true' in printed
    assert '"type":"turn.completed"' in printed
    assert "snippet" in printed
    assert "## Analyst (@analyst)" in printed
    assert ChatSession.objects.get().turns.count() == 4  # one of them was asked for twice
    assert UsageEvent.objects.count() == 5
    assert "month,rent\nMay,1200" in printed

    resuming, compatible = examples("python")
    assert "[turn.completed]" in run(server, [sys.executable, "-c", resuming], tmp_path)
    printed = run(server, [sys.executable, "-c", compatible], tmp_path)
    assert "**Analyst**" in printed
    assert re.search(r"^\d+ tokens$", printed, re.MULTILINE)
    assert Turn.objects.filter(session__origin="api").count() == 2
