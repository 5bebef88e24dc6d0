"""An invalid setting ends every process with one line that names it."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from django.conf import settings

from sessions.tests.support.server_process import free_port

GUNICORN = ("-m", "gunicorn", "-c", "python:pantheon.gunicorn", "pantheon.asgi:application")
CELERY = ("-m", "celery", "-A", "pantheon", "worker")
COMMANDS = {
    "manage": ("manage.py", "check"),
    "prepare": ("bin/lib/prepare.py",),
    "run": ("bin/lib/processes.py", "--only", "worker"),
    "gunicorn": GUNICORN,
    "celery": CELERY,
}
WRONG = [
    ("EMAIL_URL", "foo", "EMAIL_URL must be"),
    ("PANTHEON_LOG_LEVEL", "LOUD", "PANTHEON_LOG_LEVEL must be one of DEBUG, INFO"),
    ("PANTHEON_WAIT_S", "abc", "PANTHEON_WAIT_S must be a number"),
    ("DATABASE_URL", "mysql://x", "DATABASE_URL must be postgres://"),
    ("DATABASE_URL", "$OF_ANOTHER_VARIABLE", "DATABASE_URL must be postgres://"),
    (
        "PANTHEON_METRICS_TOKEN_FILE",
        "/nonexistent",
        "PANTHEON_METRICS_TOKEN_FILE names a file that cannot be read",
    ),
    ("PANTHEON_DEBUG", "maybe", "PANTHEON_DEBUG must be 1 or 0"),
]


def start(command: tuple[str, ...], tmp_path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *command],
        cwd=settings.BASE_DIR,
        env={
            **os.environ,
            "DATABASE_URL": f"sqlite:///{tmp_path}/db.sqlite3",
            "REDIS_URL": "",
            "PORT": str(free_port()),
            "DJANGO_SETTINGS_MODULE": "pantheon.settings",
            **environment,
        },
        capture_output=True,
        text=True,
        timeout=60,
    )


def assert_refused(ran: subprocess.CompletedProcess[str], said: str) -> None:
    assert ran.returncode != 0
    assert said in ran.stderr
    assert "Traceback" not in ran.stdout + ran.stderr


@pytest.mark.parametrize(("name", "value", "said"), WRONG)
def test_manage_says_what_a_setting_takes(name, value, said, tmp_path):
    assert_refused(start(COMMANDS["manage"], tmp_path, **{name: value}), said)


@pytest.mark.parametrize("command", list(COMMANDS))
@pytest.mark.parametrize(("name", "value", "said"), WRONG[1:3])
def test_so_does_every_process(command, name, value, said, tmp_path):
    assert_refused(start(COMMANDS[command], tmp_path, **{name: value}), said)


@pytest.mark.parametrize("command", ["manage", "prepare", "celery"])
def test_a_check_that_fails_ends_the_process(command, tmp_path):
    ran = start(COMMANDS[command], tmp_path, PANTHEON_SUMMARY_TRIGGER="7")
    assert_refused(ran, "PANTHEON_SUMMARY_TRIGGER is 7.0")


@pytest.mark.parametrize("log_format", ["text", "json"])
@pytest.mark.parametrize(("level", "shown"), [("INFO", True), ("WARNING", False)])
def test_the_web_server_keeps_to_the_log_level(log_format, level, shown, tmp_path):
    environment = {"PANTHEON_LOG_LEVEL": level, "PANTHEON_LOG_FORMAT": log_format}
    ran = start(GUNICORN, tmp_path, DJANGO_SETTINGS_MODULE="nowhere", **environment)
    assert "nowhere" in ran.stderr
    assert ("Starting gunicorn" in ran.stderr) is shown


@pytest.mark.parametrize("command", ["manage", "prepare", "run"])
def test_a_data_directory_that_cannot_be_created_is_named(command, tmp_path):
    (tmp_path / "file").write_text("")
    ran = start(COMMANDS[command], tmp_path, PANTHEON_DATA_DIR=str(tmp_path / "file" / "var"))
    assert_refused(ran, f"the data directory {tmp_path}/file/var cannot be used (Not a directory)")
    assert "Set PANTHEON_DATA_DIR to" in ran.stderr


def test_a_secret_key_that_cannot_be_read_is_too(tmp_path):
    (tmp_path / "secret_key").mkdir()
    ran = start(COMMANDS["manage"], tmp_path, PANTHEON_DATA_DIR=str(tmp_path), PANTHEON_SECRET_KEY="")
    assert_refused(ran, f"the data directory {tmp_path} cannot be used (Is a directory)")
