"""Uploads are worked on in a directory of the web process, which keeps no left-overs."""

from __future__ import annotations

import os
import tempfile
import time
from pathlib import Path

import pytest

from pantheon.http.temporary_files import LEFT_AFTER_S, temporary_files_use


@pytest.fixture(autouse=True)
def previous_directory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", tempfile.gettempdir())


def test_temporary_files_are_for_this_account_only(tmp_path: Path) -> None:
    directory = tmp_path / "temporary"
    directory.mkdir(mode=0o755)
    temporary_files_use(directory)
    assert directory.stat().st_mode & 0o777 == 0o700
    with tempfile.NamedTemporaryFile() as file:
        assert Path(file.name).parent == directory


def test_what_a_killed_process_left_is_removed(tmp_path: Path) -> None:
    (tmp_path / "old").mkdir()
    (tmp_path / "old" / "part").touch()
    for name in ("old.upload", "new.upload"):
        (tmp_path / name).touch()
    left_s = time.time() - LEFT_AFTER_S - 60
    for name in ("old", "old.upload"):
        os.utime(tmp_path / name, (left_s, left_s))
    temporary_files_use(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["new.upload"]
