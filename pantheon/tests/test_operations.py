"""Run the commands of docs/operations.md unchanged."""

from __future__ import annotations

import os
import re
import shutil
import sqlite3
import subprocess
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import pytest
from django.conf import settings
from django.db import connection
from django.test import Client
from django.utils.crypto import get_random_string

from billing.models import UsageEvent
from sessions.dispatch import use_dispatcher
from sessions.live.runtime import runtime
from sessions.models import Message
from sessions.tests.factories import make_agent, make_session
from sessions.tests.support.server_process import database_url

pytestmark = pytest.mark.django_db(transaction=True)

DOCUMENT = (Path(settings.BASE_DIR) / "docs" / "operations.md").read_text()
BLOCKS = re.findall(r"```sh\n(.*?)```", DOCUMENT, flags=re.S)


def block(command: str) -> str:
    (found,) = [text for text in BLOCKS if command in text]
    return str(found)


def run(script: str, directory: Path, **environment: str) -> str:
    """Run a script in a directory laid out like the project's."""
    for name in ("bin", ".venv", "manage.py"):
        if not (directory / name).exists():
            (directory / name).symlink_to(Path(settings.BASE_DIR) / name)
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        cwd=directory,
        env={**os.environ, **environment},
        umask=0o022,  # as a shell has it
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture
def said(api, alice, openai_model) -> None:
    """A turn, so that there is data to back up."""
    use_dispatcher(runtime)
    session = make_session(alice, make_agent(alice, "ana", openai_model))
    assert api.post(f"sessions/{session.pk}/turns", {"message": "hello"}).status_code == 201
    use_dispatcher(None)
    runtime.stop()


@pytest.mark.skipif(connection.vendor != "sqlite", reason="about SQLite")
def test_a_backup_of_sqlite(said, tmp_path) -> None:
    run(block(".venv/bin/python -c"), tmp_path, SQLITE_FILE=str(connection.settings_dict["NAME"]))
    with sqlite3.connect(tmp_path / "pantheon-backup.sqlite3") as copy:
        assert copy.execute("SELECT COUNT(*) FROM billing_usageevent").fetchone() == (1,)
        assert copy.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    assert (tmp_path / "pantheon-backup.sqlite3").stat().st_mode & 0o077 == 0


@pytest.mark.skipif(connection.vendor != "postgresql", reason="about PostgreSQL")
def test_a_backup_of_postgresql_restored_elsewhere(said, tmp_path) -> None:
    programs = postgres_programs()
    name = f"restored_{get_random_string(8).lower()}"
    with connection.cursor() as cursor:
        cursor.execute(f"CREATE DATABASE {name}")
    url = urlunsplit(urlsplit(database_url())._replace(path=f"/{name}"))
    services = tmp_path / "pg_service.conf"
    services.write_text(service("pantheon", database_url()) + service("restored", url))
    (tmp_path / "restored.url").write_text(url)
    path = {"PATH": f"{programs}:{os.environ['PATH']}", "PGSERVICEFILE": str(services)}
    try:
        run(block("pg_dump"), tmp_path, **path)
        assert (tmp_path / "pantheon.dump").stat().st_mode & 0o077 == 0
        out = run(block("pg_restore"), tmp_path, **path)
        assert "broken" not in out
        assert out.count(": ok") == 8
        count = 'psql --no-align --tuples-only --command="SELECT COUNT(*) FROM {}" service=restored'
        for model in (UsageEvent, Message):
            shown = run(count.format(model._meta.db_table), tmp_path, **path)
            assert int(shown) == model.objects.count() > 0
        # The ledger is append-only again.
        delete = 'psql --command="DELETE FROM billing_usageevent" service=restored'
        with pytest.raises(AssertionError, match="append-only"):
            run(delete, tmp_path, **path)
    finally:
        with connection.cursor() as cursor:
            cursor.execute(f"DROP DATABASE {name} WITH (FORCE)")


def service(name: str, url: str) -> str:
    """Return the lines of a service file for a database."""
    parts = urlsplit(url)
    facts = {
        "host": parts.hostname,
        "port": parts.port,
        "user": parts.username,
        "password": parts.password,
        "dbname": parts.path.removeprefix("/"),
    }
    lines = [f"{fact}={value}" for fact, value in facts.items() if value]
    return "\n".join([f"[{name}]", *lines, ""])


def postgres_programs() -> Path:
    """Return a directory with PostgreSQL programs not older than the server, as pg_dump requires."""
    server = int(connection.pg_version) // 10_000  # type: ignore[attr-defined]
    found = [Path(path).parent for name in ("pg_dump",) if (path := shutil.which(name))]
    found += [
        path.parent
        for path in (Path(settings.BASE_DIR) / ".venv").glob("lib/*/site-packages/*/*/bin/pg_dump")
    ]
    for directory in found:
        version = subprocess.run([directory / "pg_dump", "--version"], capture_output=True, text=True).stdout
        if (
            (number := re.search(r"(\d+)\.", version))
            and int(number[1]) >= server
            and (directory / "psql").exists()
        ):
            return directory
    pytest.skip(f"no pg_dump for PostgreSQL {server}")


def test_a_new_secret_key_signs_nobody_out(alice, settings, client: Client) -> None:
    """A user who visits while the old key is a fallback stays signed in afterwards."""
    away = Client()
    for browser in (client, away):
        browser.force_login(alice)
    settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY]
    settings.SECRET_KEY = get_random_string(50)
    assert client.get("/api/v1/auth/me").status_code == 200
    settings.SECRET_KEY_FALLBACKS = []
    assert client.get("/api/v1/auth/me").status_code == 200
    assert away.get("/api/v1/auth/me").status_code == 401


DOCUMENTS = sorted(
    path.relative_to(settings.BASE_DIR)
    for pattern in ("*.md", "docs/*.md", "bench/*.md", "compose.yaml")
    for path in Path(settings.BASE_DIR).glob(pattern)
)
COMMAND = re.compile(r"(?:\w+=\S+ )*[a-z./][\w./-]* .*")
SECRET = re.compile(r"\$\{?\w*(URL|PASSWORD|SECRET)\b|\w://[^/\s]*:[^/\s]*@|--?\w*password[ =]\S", re.I)


def commands(text: str) -> list[str]:
    """Return the commands in a document, without leading variable assignments."""
    blocks = re.findall(r"```sh\n(.*?)```", text, flags=re.S)
    indented = re.findall(r"^ {4}(\S.*)$", text, flags=re.M)
    lines = [line.strip() for block in blocks for line in block.splitlines()]
    shown = [line for line in [*lines, *indented, *re.findall(r"`([^`\n]+)`", text)] if COMMAND.match(line)]
    return [re.sub(r"^(\w+=\S+ )+", "", line) for line in shown]


@pytest.mark.parametrize("path", DOCUMENTS, ids=str)
def test_no_document_has_a_password_on_a_command_line(path: Path) -> None:
    found = commands((Path(settings.BASE_DIR) / path).read_text())
    assert [command for command in found if SECRET.search(command)] == []


def test_commands_with_passwords_are_known() -> None:
    text = """
```sh
pg_dump --file=x "$DATABASE_URL"
DATABASE_URL="$NEW_DATABASE_URL" bin/manage migrate
```
Run `psql postgres://me:secret@host/name` or `mysql --password=x`; `bin/manage migrate`, `redis://host:6379/0`.
"""
    found = [command for command in commands(text) if SECRET.search(command)]
    assert found == [
        'pg_dump --file=x "$DATABASE_URL"',
        "psql postgres://me:secret@host/name",
        "mysql --password=x",
    ]


def test_every_command_that_is_named_is_there() -> None:
    from django.core.management import get_commands

    assert set(re.findall(r"bin/manage (\w+)", DOCUMENT)) <= set(get_commands())
