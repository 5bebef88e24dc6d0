from __future__ import annotations

from pathlib import Path

import pytest
from django.core import checks

from orchestration.models import LlmModel, Provider
from pantheon.config.checks import check_production

pytestmark = pytest.mark.both_runs  # what is checked are the settings of a run, its cache included


def found(**kwargs):
    return [message for message in checks.run_checks(**kwargs) if (message.id or "").startswith("pantheon.")]


def test_the_defaults_are_fine():
    assert found() == []


@pytest.mark.parametrize(
    ("name", "value", "check_id"),
    [
        ("PANTHEON_TURNS_PER_MINUTE", -1, "pantheon.E001"),
        ("PANTHEON_REQUESTS_PER_MINUTE", -5, "pantheon.E001"),
        ("PANTHEON_WAIT_S", 0.0, "pantheon.E002"),
        ("PANTHEON_PROVIDER_TOTAL_TIMEOUT_S", -1.0, "pantheon.E002"),
        ("PANTHEON_PROVIDER_RETRIES", -1, "pantheon.E003"),
        ("PANTHEON_LEASE_S", 1.0, "pantheon.E004"),
        ("PANTHEON_JOURNAL", "disk", "pantheon.E011"),
        ("PANTHEON_URL", "council.example.org", "pantheon.E005"),
        ("PANTHEON_URL", "ftp://council.example.org", "pantheon.E005"),
        ("PANTHEON_URL", "https://example.org/council", "pantheon.E005"),
        ("PANTHEON_WORKERS", 0, "pantheon.E010"),
        ("PANTHEON_WORKER_TURNS", -1, "pantheon.E010"),
        ("PANTHEON_SUMMARY_TRIGGER", 7.0, "pantheon.E015"),
        ("PANTHEON_SUMMARY_TRIGGER", 0.0, "pantheon.E015"),
        ("PANTHEON_UPLOADS_PER_MINUTE", -1, "pantheon.E001"),
        ("PANTHEON_FILES_PER_USER_MIB", -1, "pantheon.E001"),
        ("PANTHEON_FILE_MAX_MIB", 0, "pantheon.E010"),
        ("PANTHEON_FILES_URL", "https://key:hunter2@bucket.example.org", "pantheon.E023"),
        ("PANTHEON_FILES_URL", "s3://", "pantheon.E023"),
        ("PANTHEON_FILES_URL", "s3://key:hunter2@bucket", "pantheon.E023"),
        ("PANTHEON_FILES_DIR", Path("/dev/null/files"), "pantheon.E025"),
        ("PANTHEON_METRICS_PORT", 99999, "pantheon.E016"),
        ("PANTHEON_METRICS_PORT", -1, "pantheon.E016"),
    ],
)
def test_a_bad_value_is_an_error_with_its_cure(name, value, check_id, settings):
    setattr(settings, name, value)
    [message] = found()
    assert message.id == check_id
    assert message.level == checks.ERROR
    assert message.hint
    assert "hunter2" not in str(message)


def test_a_proxy_that_no_client_can_use_is_an_error(monkeypatch):
    monkeypatch.setenv("ALL_PROXY", "socks://127.0.0.1:9")
    [message] = found()
    assert (message.id, message.level) == ("pantheon.E022", checks.ERROR)
    assert "ALL_PROXY" in message.msg


@pytest.mark.parametrize(("content", "problem"), [(None, "cannot be read"), ("\n", "is empty"), ("key", "")])
def test_a_key_file_is_looked_into(content, problem, monkeypatch, tmp_path):
    path = tmp_path / "key"
    if content is not None:
        path.write_text(content)
    monkeypatch.setenv("OPENAI_API_KEY_FILE", str(path))
    messages = found()
    assert [message.id for message in messages] == (["pantheon.E017"] if problem else [])
    for message in messages:
        assert "OPENAI_API_KEY_FILE" in message.msg
        assert problem in message.msg


@pytest.fixture
def production(settings, monkeypatch):
    """Settings with PostgreSQL and Redis."""
    database = {"ENGINE": "django.db.backends.postgresql", "OPTIONS": {}}
    monkeypatch.setitem(settings.DATABASES, "default", database)
    settings.REDIS_URL = "rediss://redis.example.org/1"


@pytest.fixture
def sqlite(settings, monkeypatch):
    database = {"ENGINE": "django.db.backends.sqlite3", "OPTIONS": {}}
    monkeypatch.setitem(settings.DATABASES, "default", database)


@pytest.mark.usefixtures("production")
def test_production_is_fine():
    assert found() == []
    assert check_production() == []


@pytest.mark.usefixtures("production")
def test_an_address_of_something_else_is_refused(settings):
    settings.REDIS_URL = "http://user:hunter2@redis"
    [message] = found()
    assert message.id == "pantheon.E008"
    assert "hunter2" not in str(message)


@pytest.mark.usefixtures("sqlite")
def test_workers_on_sqlite_are_refused(settings):
    settings.REDIS_URL = "redis://user:hunter2@redis"
    [message] = found()
    assert (message.id, "DATABASE_URL" in str(message.hint)) == ("pantheon.E012", True)
    assert "hunter2" not in str(message)


@pytest.mark.usefixtures("production")
def test_a_journal_in_memory_is_refused_with_workers(settings):
    settings.PANTHEON_JOURNAL = "memory"
    [message] = found()
    assert (message.id, "PANTHEON_JOURNAL=database" in message.hint) == ("pantheon.E013", True)


@pytest.mark.usefixtures("production")
def test_several_web_processes_with_redis_are_fine(monkeypatch):
    monkeypatch.setenv("WEB_CONCURRENCY", "4")
    assert found() == []


@pytest.mark.usefixtures("sqlite")
@pytest.mark.parametrize("redis_url", ["", "redis://redis"])
def test_production_says_what_it_lacks(settings, redis_url):
    settings.REDIS_URL = redis_url
    [message] = check_production()
    assert message.id == "pantheon.E014"
    assert "DATABASE_URL" in str(message.hint)
    assert ("REDIS_URL" in str(message.hint)) == (not redis_url)


def test_no_connection_to_spare(settings):
    settings.PANTHEON_DB_POOL_SIZE = 1
    assert [message.id for message in found()] == ["pantheon.E007"]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PANTHEON_TURNS_PER_MINUTE", 0),
        ("PANTHEON_PROVIDER_RETRIES", 0),
        ("PANTHEON_DEMO_WORDS_PER_S", 0.0),
        ("PANTHEON_URL", "http://localhost:8000"),
    ],
)
def test_an_unusual_value_is_fine(name, value, settings):
    setattr(settings, name, value)
    assert found() == []


@pytest.mark.parametrize(
    ("environment", "refused"),
    [
        ({"WEB_CONCURRENCY": "1"}, False),
        ({"WEB_CONCURRENCY": ""}, False),
        ({"WEB_CONCURRENCY": "4"}, True),
        ({"GUNICORN_CMD_ARGS": "--graceful-timeout 30"}, False),
        ({"GUNICORN_CMD_ARGS": "--workers 2"}, True),
        ({"GUNICORN_CMD_ARGS": "--workers=2 --graceful-timeout 30"}, True),
        ({"GUNICORN_CMD_ARGS": "-w4"}, True),
        ({"GUNICORN_CMD_ARGS": "-w 1", "WEB_CONCURRENCY": "4"}, False),
    ],
)
def test_several_web_processes_cannot_work_without_redis(environment, refused, monkeypatch, settings):
    settings.REDIS_URL = ""
    for name in ("WEB_CONCURRENCY", "GUNICORN_CMD_ARGS"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert [message.id for message in found()] == (["pantheon.E006"] if refused else [])


def test_mail_without_an_address_of_our_own_is_refused(settings):
    settings.EMAIL_URL = "smtp://user:hunter2@mail.example.org"
    [message] = found()
    assert (message.id, message.level) == ("pantheon.E021", checks.ERROR)
    assert "PANTHEON_URL" in message.hint
    assert "hunter2" not in str(message)
    settings.PANTHEON_URL = "https://council.example.org"
    assert found() == []


def test_a_key_variable_that_no_provider_may_read_is_named(db, django_assert_num_queries):
    Provider.objects.create(name="lab", kind="openai", key_env="DATABASE_URL")
    Provider.objects.create(name="good", kind="openai", key_env="GOOD_API_KEY")
    [message] = found(databases=["default"])
    assert (message.id, message.level) == ("pantheon.W003", checks.WARNING)
    assert "Provider lab cannot read its key from DATABASE_URL" in message.msg
    assert "_API_KEY" in message.hint
    with django_assert_num_queries(0):
        assert found() == []


class TestDefaultModel:
    @pytest.fixture(autouse=True)
    def _catalogue(self, db):
        provider = Provider.objects.create(name="lab", kind="openai", key_env="LAB_API_KEY")
        LlmModel.objects.create(
            alias="lab-1", provider=provider, model_id="one", context_window=8192, max_output_tokens=1024
        )

    def warnings(self):
        return [message.id for message in found(databases=["default"])]

    def test_of_the_catalogue(self, settings, monkeypatch):
        monkeypatch.setenv("LAB_API_KEY", "key")
        settings.PANTHEON_DEFAULT_MODEL = "lab-1"
        assert self.warnings() == []

    def test_unknown(self, settings):
        settings.PANTHEON_DEFAULT_MODEL = "lab-2"
        assert self.warnings() == ["pantheon.W001"]

    def test_switched_off(self, settings, monkeypatch):
        monkeypatch.setenv("LAB_API_KEY", "key")
        LlmModel.objects.update(enabled=False)
        settings.PANTHEON_DEFAULT_MODEL = "lab-1"
        assert self.warnings() == ["pantheon.W001"]

    def test_without_its_key(self, settings):
        settings.PANTHEON_DEFAULT_MODEL = "lab-1"
        [message] = found(databases=["default"])
        assert "LAB_API_KEY" in message.msg

    def test_the_database_is_not_asked_unless_it_may_be(self, settings, django_assert_num_queries):
        settings.PANTHEON_DEFAULT_MODEL = "lab-2"
        with django_assert_num_queries(0):
            assert found() == []
