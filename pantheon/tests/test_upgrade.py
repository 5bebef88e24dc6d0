"""A database of the first version, with rows in it, becomes one of this version."""

from __future__ import annotations

import os
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest
from django.conf import settings
from django.db import connection

from sessions.tests.support.server_process import database_url

pytestmark = pytest.mark.django_db(transaction=True)  # its URL names the server

CHECKS_AFTER_EACH_MIGRATION = """
import django
django.setup()
from django.core import checks
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

def check(action, migration=None, fake=False):
    if action == "apply_success":
        checks.run_checks(tags=[checks.Tags.database], databases=["default"])
        print(migration)

executor = MigrationExecutor(connection, check)
executor.migrate(executor.loader.graph.leaf_nodes())
"""
WHAT_IS_FOUND = """
from accounts.models import User
from sessions.selectors.search import search

found = search(User.objects.get(), "strasse clause", after=None, limit=5)
print(*(hit.text for hit in found.rows))
"""


@pytest.fixture
def old_database(tmp_path: Path) -> Iterator[str]:
    """Yield the URL of a database of the first version."""
    if connection.vendor == "sqlite":
        url = f"sqlite:///{tmp_path}/old.sqlite3"
        run(url, "-m", "pantheon.tests.support.first_version")
        yield url
        return
    name, server = f"old_{uuid.uuid4().hex}", database_url()
    with psycopg.connect(server, autocommit=True) as admin:
        admin.execute(f"CREATE DATABASE {name}")
        url = urlsplit(server)._replace(path=f"/{name}").geturl()
        try:
            run(url, "-m", "pantheon.tests.support.first_version")
            yield url
        finally:
            admin.execute(f"DROP DATABASE {name} WITH (FORCE)")


def run(url: str, *command: str) -> str:
    ran = subprocess.run(
        [sys.executable, *command],
        cwd=settings.BASE_DIR,
        env={**os.environ, "DATABASE_URL": url, "DJANGO_SETTINGS_MODULE": "pantheon.settings"},
        capture_output=True,
        text=True,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout


def test_it_is_upgraded_by_the_command_of_the_documentation(old_database: str) -> None:
    run(old_database, "manage.py", "migrate")
    assert "broken" not in run(old_database, "manage.py", "audit_ledger")
    found = run(old_database, "manage.py", "shell", "--no-imports", "-c", WHAT_IS_FOUND)
    assert found.strip() == "Is the **Straße** clause valid?"


def test_system_checks_run_between_any_two_migrations(old_database: str) -> None:
    checked = run(old_database, "-c", CHECKS_AFTER_EACH_MIGRATION).split()
    assert "orchestration.0010_successful_test" in checked
