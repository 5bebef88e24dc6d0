"""The secret key generated at the first start."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

from pantheon.config.secret_key import load_or_make_secret_key

ROOT = Path(__file__).resolve().parents[3]


def test_makes_a_key_and_keeps_it(tmp_path: Path) -> None:
    path = tmp_path / "secret_key"
    key = load_or_make_secret_key(path)
    assert len(key) >= 50  # Django warns below that
    assert len(set(key)) > 10
    assert path.read_text() == key
    assert load_or_make_secret_key(path) == key


def test_no_two_keys_are_the_same(tmp_path: Path) -> None:
    assert len({load_or_make_secret_key(tmp_path / str(number)) for number in range(10)}) == 10


def test_its_owner_alone_reads_it(tmp_path: Path) -> None:
    path = tmp_path / "secret_key"
    before = os.umask(0)
    try:
        load_or_make_secret_key(path)
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_key_that_is_there_is_taken_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "secret_key"
    path.write_text("kept-from-another-machine\n")
    assert load_or_make_secret_key(path) == "kept-from-another-machine"
    assert path.read_text() == "kept-from-another-machine\n"


def test_processes_that_start_together_agree(tmp_path: Path) -> None:
    """Each process waits at a pipe until all are ready."""
    script = (
        "import sys; from pathlib import Path; from pantheon.config.secret_key import load_or_make_secret_key as load;"
        "print('ready', flush=True); sys.stdin.readline(); print(load(Path(sys.argv[1])))"
    )
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", script, str(tmp_path / "secret_key")],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(6)
    ]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    keys = {process.communicate(timeout=60)[0].strip() for process in processes}
    assert keys == {(tmp_path / "secret_key").read_text()}
    assert [path.name for path in tmp_path.iterdir()] == ["secret_key"]
