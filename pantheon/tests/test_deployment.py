"""Settings with an https address pass Django's deployment checks and make requests safe."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings

PRODUCTION = {
    "PANTHEON_URL": "https://council.example.org",
    "PANTHEON_ALLOWED_HOSTS": "council.example.org",
}
ASK = """
import django, json
django.setup()
from django.test import Client
from django.conf import settings
answers = {}
for name, url, headers in %r:
    response = Client(headers=headers).get(url, headers={"host": "council.example.org"})
    answers[name] = [response.status_code, dict(response.headers)]
names = ("SESSION_COOKIE_SECURE", "CSRF_COOKIE_SECURE", "SESSION_COOKIE_HTTPONLY", "SECURE_HSTS_SECONDS")
print(json.dumps([answers, {name: getattr(settings, name) for name in names}]))
"""


def run(data_dir: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run Python with other settings."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("PANTHEON_")}
    inherited |= {"PANTHEON_ENV_FILE": os.devnull, "PANTHEON_DATA_DIR": str(data_dir)}
    inherited["DJANGO_SETTINGS_MODULE"] = "pantheon.settings"
    for name in ("DATABASE_URL", "REDIS_URL"):
        inherited.pop(name, None)
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=settings.BASE_DIR,
        env={**inherited, **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def deployed(data_dir: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return run(data_dir, "manage.py", "check", "--deploy", "--fail-level", "WARNING", **environment)


def ask(data_dir: Path, *requests: tuple[str, str, dict[str, str]], **environment: str) -> Any:
    found = run(data_dir, "-c", ASK % (list(requests),), **{**PRODUCTION, **environment})
    assert found.returncode == 0, found.stderr
    return json.loads(found.stdout.splitlines()[-1])


@pytest.mark.parametrize("key", ["", "f3c" * 17 + "0123456789abcdef"])
def test_nothing_to_say_about_production(tmp_path: Path, key: str) -> None:
    """With a generated and with a configured secret key."""
    found = deployed(tmp_path, **PRODUCTION, **({"PANTHEON_SECRET_KEY": key} if key else {}))
    assert found.returncode == 0, found.stderr
    assert "System check identified no issues" in found.stdout + found.stderr


def test_unsafe_settings_are_reported(tmp_path: Path) -> None:
    found = deployed(tmp_path, PANTHEON_URL="http://council.example.org", PANTHEON_SECRET_KEY="short")
    assert found.returncode == 1
    for check in ("pantheon.W002", "security.W009"):
        assert check in found.stderr


@pytest.mark.parametrize("url", ["", "http://council.example.org"])
def test_without_https_one_setting_is_named_and_not_what_follows_from_it(tmp_path: Path, url: str) -> None:
    found = deployed(tmp_path, PANTHEON_URL=url)
    assert found.returncode == 1
    assert "Set PANTHEON_URL to the https address" in found.stderr
    assert "System check identified 1 issue" in found.stderr
    assert "SECURE_" not in found.stderr


def test_other_warnings_remain_with_https(tmp_path: Path) -> None:
    found = deployed(tmp_path, **PRODUCTION, PANTHEON_HSTS_S="0")
    assert "security.W004" in found.stderr
    assert "pantheon.W002" not in found.stderr


def test_https_is_kept_to(tmp_path: Path) -> None:
    (tmp_path / "static").mkdir()
    by_proxy = {"X-Forwarded-Proto": "https"}
    answers, values = ask(
        tmp_path,
        ("plain", "/sign-in?next=/x", {}),
        ("health", "/api/v1/health", {}),
        ("encrypted", "/api/v1/health", by_proxy),
    )
    status, headers = answers["plain"]
    assert (status, headers["Location"]) == (301, "https://council.example.org/sign-in?next=/x")
    assert answers["health"][0] == 200
    assert "Strict-Transport-Security" not in answers["health"][1]
    assert answers["encrypted"][0] == 200
    assert answers["encrypted"][1]["Strict-Transport-Security"] == f"max-age={30 * 24 * 3600}"
    assert values == {
        "SESSION_COOKIE_SECURE": True,
        "CSRF_COOKIE_SECURE": True,
        "SESSION_COOKIE_HTTPONLY": True,
        "SECURE_HSTS_SECONDS": 30 * 24 * 3600,
    }


def test_a_proxy_that_tells_nothing_of_https(tmp_path: Path) -> None:
    (tmp_path / "static").mkdir()
    answers, _ = ask(tmp_path, ("plain", "/api/v1/auth/me", {}), PANTHEON_HTTPS_REDIRECT="0")
    assert answers["plain"][0] == 401


def test_without_proxies_nobody_claims_https(tmp_path: Path) -> None:
    (tmp_path / "static").mkdir()
    claimed = ("claimed", "/sign-in", {"X-Forwarded-Proto": "https"})
    answers, _ = ask(tmp_path, claimed, PANTHEON_PROXIES="0")
    assert answers["claimed"][0] == 301


@pytest.mark.both_runs  # a request counts in the cache
def test_a_plain_instance_redirects_nobody(client: Any) -> None:
    response = client.get("/api/v1/health")
    assert response.status_code == 200
    assert "Strict-Transport-Security" not in response.headers


def test_secrets_that_begin_with_a_dollar_sign_are_kept(tmp_path: Path) -> None:
    """Neither replaced by another variable's value nor lost, in the environment and in `.env`."""
    key, token = "$k3y-" + "0123456789abcdef" * 4, "$HOME"
    (tmp_path / "env").write_text(f"PANTHEON_METRICS_TOKEN='{token}'\n")
    environment = {"PANTHEON_SECRET_KEY": key, "PANTHEON_ENV_FILE": str(tmp_path / "env")}
    shown = "from django.conf import settings as s; print(s.SECRET_KEY, s.PANTHEON_METRICS_TOKEN)"
    found = run(tmp_path, "-c", shown, **environment)
    assert found.stdout.split() == [key, token], found.stderr
    assert not (tmp_path / "secret_key").exists()
