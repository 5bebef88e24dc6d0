"""Other origins: only those in the settings may read the API from a browser."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from django.test import Client

from accounts.tests.support.admin_site import static_files_as_they_are

__all__ = ["static_files_as_they_are"]

pytestmark = pytest.mark.both_runs  # each request counts in the cache

ORIGIN = "https://chat.example.org"
MIDDLEWARE = "corsheaders.middleware.CorsMiddleware"


@pytest.fixture
def origins(settings) -> None:
    settings.CORS_ALLOWED_ORIGINS = [ORIGIN]
    settings.MIDDLEWARE = [MIDDLEWARE, *settings.MIDDLEWARE]


def preflight(client: Client, path: str, origin: str = ORIGIN):
    return client.options(
        path,
        headers={
            "Origin": origin,
            "Access-Control-Request-Method": "POST",
            "Access-Control-Request-Headers": "authorization,content-type",
        },
    )


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/api/v1/auth/me"])
def test_a_named_origin_is_let_in_without_cookies(client: Client, origins: None, path: str) -> None:
    answer = preflight(client, path)
    assert answer.status_code == 200
    assert answer["Access-Control-Allow-Origin"] == ORIGIN
    assert "authorization" in answer["Access-Control-Allow-Headers"]
    assert "Access-Control-Allow-Credentials" not in answer


@pytest.mark.parametrize(
    ("path", "origin"),
    [
        ("/v1/models", "https://evil.example"),
        ("/v1/models", "null"),
        ("/sign-in", ORIGIN),
        ("/admin/login/", ORIGIN),
    ],
)
@pytest.mark.django_db
@pytest.mark.usefixtures("static_files_as_they_are")
def test_nothing_else_is(client: Client, origins: None, path: str, origin: str) -> None:
    for answer in (preflight(client, path, origin), client.get(path, headers={"Origin": origin})):
        assert "Access-Control-Allow-Origin" not in answer


@pytest.mark.parametrize(("value", "is_on"), [(ORIGIN, "True"), ("", "False")])
def test_the_setting_switches_it_on(tmp_path: Path, value: str, is_on: str) -> None:
    code = f"from django.conf import settings; print({MIDDLEWARE!r} in settings.MIDDLEWARE)"
    environment = {
        **os.environ,
        "PANTHEON_DATA_DIR": str(tmp_path),
        "PANTHEON_CORS_ORIGINS": value,
        "DJANGO_SETTINGS_MODULE": "pantheon.settings",
    }
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == is_on
