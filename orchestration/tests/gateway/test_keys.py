"""The sources of keys and addresses, and the redaction of keys."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestration.gateway.keys import NO_KEY, NotConfigured, redact, resolve
from orchestration.tests.gateway import KEY, KEY_ENV, spec


def test_the_key_comes_from_its_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(KEY_ENV, f" {KEY}\n")
    assert resolve(spec()).key == KEY


def test_or_from_the_file_that_the_variable_names(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv(KEY_ENV)
    secret = tmp_path / "secret"
    secret.write_text(f"{KEY}\n")
    monkeypatch.setenv(f"{KEY_ENV}_FILE", str(secret))
    assert resolve(spec()).key == KEY


def test_a_file_that_cannot_be_read_is_named_by_its_variable(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv(KEY_ENV)
    monkeypatch.setenv(f"{KEY_ENV}_FILE", str(tmp_path / "nowhere"))
    with pytest.raises(NotConfigured, match=f"{KEY_ENV}_FILE"):
        resolve(spec())


@pytest.mark.parametrize("key", ["", "  ", "sk-two\nlines", "sk-ünïcode", "two words", "sk-\x00"])
def test_an_unusable_key_is_refused_by_the_name_of_its_variable(
    monkeypatch: pytest.MonkeyPatch, key: str
) -> None:
    monkeypatch.setattr("os.environ", {KEY_ENV: key})
    with pytest.raises(NotConfigured, match=KEY_ENV) as refused:
        resolve(spec())
    assert not key.strip() or key not in str(refused.value)


def test_a_server_that_wants_no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    assert resolve(spec(key_env="")).key == NO_KEY


NO_KEYS = [
    *("PATH", "HOME", "DATABASE_URL", "EMAIL_URL", "REDIS_URL", "POSTGRES_PASSWORD", "PANTHEON_SECRET_KEY"),
    *("DJANGO_SUPERUSER_PASSWORD", "AWS_SECRET_ACCESS_KEY", "TEST_KEY", "TEST_API_KEY_FILE", "_API_KEY"),
    *("PANTHEON_API_KEY", "DATABASE_API_KEY", "REDIS_API_KEY", "EMAIL_API_KEY", "POSTGRES_API_KEY"),
    *("DJANGO_API_KEY", "SECRET_API_KEY", "AWS_API_KEY", "test_api_key", "TEST_API_KEY\n", "A B_API_KEY"),
]


@pytest.mark.parametrize("name", NO_KEYS)
@pytest.mark.parametrize("suffix", ["", "_FILE"])
def test_no_other_variable_is_read_as_a_key(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str, suffix: str
) -> None:
    secret = tmp_path / "secret"
    secret.write_text("of-the-server")
    value = str(secret) if suffix else "of-the-server"
    monkeypatch.setattr("os.environ", {f"{name}{suffix}": value})
    with pytest.raises(NotConfigured, match="ends in _API_KEY") as refused:
        resolve(spec(key_env=name))
    assert "of-the-server" not in str(refused.value)


def test_the_address(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOME_BASE_URL", "http://variable/v1")
    monkeypatch.setenv("OPENAI_BASE_URL", "http://of-another-provider/v1")
    assert resolve(spec(base_url="http://row/v1", base_url_env="SOME_BASE_URL")).base_url == "http://row/v1"
    assert resolve(spec(base_url_env="SOME_BASE_URL")).base_url == "http://variable/v1"
    assert resolve(spec()).base_url == "https://api.openai.com/v1"
    assert resolve(spec("anthropic")).base_url == "https://api.anthropic.com"


@pytest.mark.parametrize(
    "url", ["ftp://host", "host:8000", "http://", "http://host:port", "http://[::1", "http://h\nost"]
)
def test_an_unusable_address_is_named_by_its_setting(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setenv("SOME_BASE_URL", url)
    with pytest.raises(NotConfigured, match="SOME_BASE_URL"):
        resolve(spec(base_url_env="SOME_BASE_URL"))
    with pytest.raises(NotConfigured, match="catalogue"):
        resolve(spec(base_url=url))


def test_keys_are_taken_out_of_texts() -> None:
    text = f"{KEY} and Bearer abc.def, 'sk-proj-AbC_123456' and sk-ant-***1234 but not skip-this or {NO_KEY}"
    assert redact(text, KEY) == f"[key] and [key], '[key]' and [key] but not skip-this or {NO_KEY}"
    assert redact("odd-key-9 stays out", "odd-key-9") == "[key] stays out"
    assert KEY not in repr(resolve(spec()))
