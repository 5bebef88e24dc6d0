"""Parsing of environment variables."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured
from environ.fileaware_mapping import FileAwareMapping

from pantheon.config.environment import Environment, database_settings, mail_settings


@pytest.mark.parametrize("text", ["abc", "", "ten"])
def test_an_invalid_number_is_named(text, monkeypatch):
    monkeypatch.setenv("PANTHEON_SOMETHING", text)
    for read in (Environment().int, Environment().float):
        with pytest.raises(ImproperlyConfigured, match="PANTHEON_SOMETHING must be a number"):
            read("PANTHEON_SOMETHING", default=1)


def test_numbers_and_defaults(monkeypatch):
    monkeypatch.setenv("PANTHEON_SOMETHING", "7")
    assert Environment().int("PANTHEON_SOMETHING", default=1) == 7
    assert Environment().float("PANTHEON_SOMETHING", default=1.0) == 7.0
    assert Environment().int("PANTHEON_SOMETHING_ELSE", default=1) == 1


def test_a_value_in_a_file(tmp_path, monkeypatch):
    path = tmp_path / "value"
    path.write_text("9")
    monkeypatch.setenv("PANTHEON_SOMETHING_FILE", str(path))
    assert Environment().int("PANTHEON_SOMETHING", default=1) == 9


@pytest.mark.parametrize(
    ("url", "tls", "ssl"),
    [
        ("smtp://mail.example.org:25", None, None),
        ("smtp+tls://ada%40example.org:p%2Fw@mail.example.org:587", True, None),
        ("smtp+ssl://ada%40example.org:p%2Fw@mail.example.org:465", None, True),
    ],
)
def test_the_address_of_a_mail_server(url, tls, ssl):
    found = mail_settings(url)
    assert found["EMAIL_BACKEND"] == "django.core.mail.backends.smtp.EmailBackend"
    assert (found["EMAIL_HOST"], found["EMAIL_PORT"]) == ("mail.example.org", int(url[-3:].lstrip(":")))
    assert (found.get("EMAIL_USE_TLS"), found.get("EMAIL_USE_SSL")) == (tls, ssl)
    if tls or ssl:
        assert (found["EMAIL_HOST_USER"], found["EMAIL_HOST_PASSWORD"]) == ("ada@example.org", "p/w")


@pytest.mark.parametrize(
    "url", ["mail.example.org", "https://hunter2@mail.example.org", "smtp://u:hunter2@m:many"]
)
def test_an_invalid_mail_url_is_reported_without_its_password(url):
    with pytest.raises(ImproperlyConfigured, match="EMAIL_URL must be") as raised:
        mail_settings(url)
    assert "hunter2" not in str(raised.value)


@pytest.mark.parametrize(
    "url", ["mysql://u:hunter2@db/x", "postgres://u:hunter2@db:many/x", "$hunter2", "db://u:hunter2@db/x"]
)
@pytest.mark.filterwarnings("error")
def test_an_invalid_database_url_is_reported_without_its_password(url):
    with pytest.raises(ImproperlyConfigured, match="DATABASE_URL must be") as raised:
        database_settings(url)
    assert "hunter2" not in str(raised.value)


@pytest.mark.parametrize(
    ("text", "on"), [("1", True), ("0", False), ("True", True), ("no", False), ("", True), (None, True)]
)
def test_switches(text, on, monkeypatch):
    if text is not None:
        monkeypatch.setenv("PANTHEON_SWITCH", text)
    assert Environment().switch("PANTHEON_SWITCH", default=True) is on


@pytest.mark.parametrize("text", ["2", "maybe", "1 # on"])
def test_an_invalid_switch_is_named(text, monkeypatch):
    monkeypatch.setenv("PANTHEON_SWITCH", text)
    with pytest.raises(ImproperlyConfigured, match="PANTHEON_SWITCH must be 1 or 0"):
        Environment().switch("PANTHEON_SWITCH", default=False)


DOLLARS = ["$tok", "$HOME", "$$", "\\$x", "a$b", "$abc,$def"]


@pytest.mark.parametrize("text", DOLLARS)
@pytest.mark.parametrize("source", ["environment", "file", ".env", ".env, quoted"])
def test_a_dollar_sign_is_taken_as_written(source, text, tmp_path, monkeypatch):
    monkeypatch.setattr(Environment, "ENVIRON", FileAwareMapping())  # which remembers what it has read
    monkeypatch.setenv("PANTHEON_SOMETHING", text)
    path = tmp_path / "file"
    if source == "file":
        path.write_text(text)
        monkeypatch.setenv("PANTHEON_SOMETHING_FILE", str(path))
    elif source != "environment":
        path.write_text(
            f"PANTHEON_SOMETHING='{text}'" if "quoted" in source else f"PANTHEON_SOMETHING={text}"
        )
        monkeypatch.delenv("PANTHEON_SOMETHING")
        Environment.read_env(path)
    assert Environment().str("PANTHEON_SOMETHING", default="") == text
    assert Environment().list("PANTHEON_SOMETHING", default=[]) == text.split(",")
    assert Environment().path("PANTHEON_SOMETHING", default="x")() == str(Path.cwd() / text)
