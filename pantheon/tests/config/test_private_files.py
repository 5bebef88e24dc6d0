"""Files are private to Pantheon's account, whatever umask it starts with."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path

import pytest

from pantheon.config.private_files import data_dir_prepare
from pantheon.tests.test_deployment import run

OPEN_AND_WRITE = """
import django, json, pathlib
django.setup()
from django.core.management import call_command
from django.db import connection
call_command("migrate", verbosity=0)
call_command("collectstatic", interactive=False, verbosity=0)
with connection.cursor() as cursor:
    cursor.execute("SELECT COUNT(*) FROM accounts_user")
name = pathlib.Path(connection.settings_dict["NAME"])
print(json.dumps({path.name: path.stat().st_mode & 0o777 for path in [*name.parent.iterdir(), name.parent]}))
"""
DATABASE = {"pantheon.sqlite3", "pantheon.sqlite3-wal", "pantheon.sqlite3-shm"}


@pytest.fixture(autouse=True)
def umask_of_a_shell():
    before = os.umask(0o022)
    yield
    os.umask(before)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_new_instance_keeps_its_files_to_itself(tmp_path: Path) -> None:
    directory = tmp_path / "data"
    ran = run(directory, "-c", OPEN_AND_WRITE)
    assert ran.returncode == 0, ran.stderr
    modes = json.loads(ran.stdout.splitlines()[-1])
    assert modes.keys() >= {*DATABASE, "secret_key", "static", "data"}
    assert {name: mode for name, mode in modes.items() if name not in ("static", "data")} == dict.fromkeys(
        modes.keys() - {"static", "data"}, 0o600
    )
    assert modes["data"] == 0o700


def test_a_database_elsewhere_too(tmp_path: Path) -> None:
    elsewhere = tmp_path / "db.sqlite3"
    ran = run(tmp_path / "data", "-c", OPEN_AND_WRITE, DATABASE_URL=f"sqlite:///{elsewhere}")
    assert ran.returncode == 0, ran.stderr
    modes = json.loads(ran.stdout.splitlines()[-1])
    assert [modes[f"db.sqlite3{end}"] for end in ("", "-wal", "-shm")] == [0o600] * 3


def test_secret_files_of_an_earlier_version_are_narrowed(tmp_path: Path) -> None:
    for name in ("pantheon.sqlite3", "secret_key", "notes"):
        (tmp_path / name).write_text("")
        (tmp_path / name).chmod(0o644)
    (tmp_path / "secret_key").write_text("kept" * 20)
    ran = run(tmp_path, "manage.py", "check")
    assert ran.returncode == 0, ran.stderr
    assert [mode(tmp_path / name) for name in ("pantheon.sqlite3", "secret_key")] == [0o600] * 2
    assert mode(tmp_path / "notes") == 0o644  # not ours


def test_an_open_directory_of_the_user_is_reported_with_the_cure(tmp_path: Path) -> None:
    """A configured directory may serve other purposes, so its mode is kept."""
    directory = tmp_path / "with space"
    directory.mkdir(mode=0o755)
    ran = run(directory, "manage.py", "check")
    assert "pantheon.W004" in ran.stderr
    [cure] = [line.partition("HINT: As its owner: ")[2] for line in ran.stderr.splitlines() if "HINT" in line]
    assert mode(directory) == 0o755
    assert os.system(cure) == 0
    assert "pantheon.W004" not in run(directory, "manage.py", "check").stderr


def test_the_default_directory_is_narrowed(tmp_path: Path) -> None:
    directory = tmp_path / "var"
    directory.mkdir(mode=0o755)
    data_dir_prepare(directory, ours=False)
    assert mode(directory) == 0o755
    data_dir_prepare(directory, ours=True)
    assert mode(directory) == 0o700
