"""System checks of our settings. Each finding says what to set instead."""

from __future__ import annotations

import os
import re
import shlex
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning

from orchestration.gateway.connections import setup_problem
from pantheon.config.private_files import is_open, secret_files
from sessions.live.journal import JOURNALS, MEMORY

LIMITS = (
    "PANTHEON_TURNS_PER_MINUTE",
    "PANTHEON_TURNS_PER_HOUR",
    "PANTHEON_TOKEN_TURNS_PER_MINUTE",
    "PANTHEON_TOKEN_TURNS_PER_HOUR",
    "PANTHEON_REQUESTS_PER_MINUTE",
    "PANTHEON_UPLOADS_PER_MINUTE",
    "PANTHEON_FILES_PER_USER_MIB",
    "PANTHEON_REQUESTS_AT_ONCE_PER_USER",
    "PANTHEON_STREAMS_PER_USER",
    "PANTHEON_TURNS_AT_ONCE_PER_USER",
    "PANTHEON_SIGN_IN_ATTEMPTS_PER_EMAIL",
    "PANTHEON_SIGN_IN_ATTEMPTS_PER_ADDRESS",
)
NOT_NEGATIVE = (
    "PANTHEON_PROVIDER_RETRIES",
    "PANTHEON_PROVIDER_RETRY_BASE_S",
    "PANTHEON_PROVIDER_RETRY_MAX_WAIT_S",
    "PANTHEON_DEMO_WORDS_PER_S",
    "PANTHEON_VERBATIM_TURNS",
    "PANTHEON_PURGE_AFTER_DAYS",
    "PANTHEON_PROXIES",
    "SECURE_HSTS_SECONDS",
)
TIMES = (
    "PANTHEON_SIGN_IN_WINDOW_S",
    "PANTHEON_SLOW_REQUEST_S",
    "PANTHEON_WAIT_S",
    "PANTHEON_PROVIDER_CONNECT_TIMEOUT_S",
    "PANTHEON_PROVIDER_FIRST_TOKEN_TIMEOUT_S",
    "PANTHEON_PROVIDER_BETWEEN_TOKENS_TIMEOUT_S",
    "PANTHEON_PROVIDER_TOTAL_TIMEOUT_S",
    "PANTHEON_RECOVER_EVERY_S",
)
COUNTS = (
    "PANTHEON_MANAGER_MAX_TOKENS",
    "PANTHEON_SUMMARIZER_MAX_TOKENS",
    "PANTHEON_MAX_ROUNDS",
    "PANTHEON_MAX_SELECTIONS",
    "PANTHEON_MAX_SPECIALIST_CALLS",
    "PANTHEON_SUMMARY_EVERY_TURNS",
    "PANTHEON_FILE_MAX_MIB",
    "PANTHEON_WORKERS",
    "PANTHEON_WORKER_TURNS",
)
RANGES = (
    (LIMITS, True, "Set 0 for no limit, or a positive number.", "pantheon.E001"),
    (TIMES, False, "Set a number of seconds above 0.", "pantheon.E002"),
    (NOT_NEGATIVE, True, "Set 0 or a positive number.", "pantheon.E003"),
    (COUNTS, False, "Set a number above 0.", "pantheon.E010"),
)
"""Names, whether 0 is in the range, the hint and the id of the error."""

MIN_LEASE_S = 3.0
"""Leases are renewed every second, so the shortest one survives two late renewals."""

SIGNUPS = ("invite", "open", "closed")
REDIS_SCHEMES = ("redis", "rediss", "unix")


def value(name: str) -> Any:
    return getattr(settings, name)


def check_numbers(**kwargs: Any) -> list[CheckMessage]:
    """Error on numbers below their range, each with the cure that its kind of setting has."""
    return [
        Error(f"{name} is {value(name)}.", hint=hint, id=check_id)
        for names, includes_zero, hint, check_id in RANGES
        for name in names
        if value(name) < 0 or (value(name) == 0 and not includes_zero)
    ]


def check_summary_trigger(**kwargs: Any) -> list[CheckMessage]:
    """Error unless the value is above 0 and at most 1."""
    fraction = settings.PANTHEON_SUMMARY_TRIGGER
    if 0 < fraction <= 1:
        return []
    hint = "Set a fraction of the input budget, above 0 and at most 1; the default is 0.7."
    return [Error(f"PANTHEON_SUMMARY_TRIGGER is {fraction}.", hint=hint, id="pantheon.E015")]


def check_metrics_port(**kwargs: Any) -> list[CheckMessage]:
    port = settings.PANTHEON_METRICS_PORT
    if 0 <= port <= 65535:
        return []
    hint = "Set a port from 1 to 65535, or 0 for none."
    return [Error(f"PANTHEON_METRICS_PORT is {port}.", hint=hint, id="pantheon.E016")]


def check_key_files(**kwargs: Any) -> list[CheckMessage]:
    """Error if a provider's key file cannot be read: its models would be offered, and every call would fail."""
    named = {name: path for name, path in os.environ.items() if name.endswith("_API_KEY_FILE") and path}
    return [
        Error(
            f"{name} names a file that {problem}.",
            hint=f"Write the key to that file and make it readable for Pantheon, or unset {name}.",
            id="pantheon.E017",
        )
        for name, path in sorted(named.items())
        if (problem := problem_of_key_file(path))
    ]


def problem_of_key_file(path: str) -> str:
    """Return why the key cannot be read from the file; "" if it can."""
    try:
        return "" if Path(path).read_text(encoding="utf-8").strip() else "is empty"
    except (OSError, ValueError) as error:
        return f"cannot be read ({getattr(error, 'strerror', None) or 'it is not text'})"


def check_private_files(**kwargs: Any) -> list[CheckMessage]:
    """Warn if other accounts of this machine can access the data directory or a secret file."""
    data_dir = settings.PANTHEON_DATA_DIR
    paths = [data_dir, settings.PANTHEON_FILES_DIR, *secret_files(data_dir, settings.SQLITE_FILE)]
    return [
        Warning(
            f"{path} is open to other accounts of this machine.",
            hint=f"As its owner: chmod {'700' if path.is_dir() else '600'} {shlex.quote(str(path))}",
            id="pantheon.W004",
        )
        for path in paths
        if path.exists() and is_open(path)
    ]


def check_lease(**kwargs: Any) -> list[CheckMessage]:
    """Error if the lease is so short that a healthy process could lose it."""
    lease_s = settings.PANTHEON_LEASE_S
    if lease_s >= MIN_LEASE_S:
        return []
    message = f"PANTHEON_LEASE_S is {lease_s}: processes would lose turns that they still run."
    return [
        Error(message, hint=f"Set at least {MIN_LEASE_S:.0f} seconds; the default is 15.", id="pantheon.E004")
    ]


def check_journal(**kwargs: Any) -> list[CheckMessage]:
    """Error if the configured journal does not exist."""
    if settings.PANTHEON_JOURNAL in JOURNALS:
        return []
    hint = "Set database (the default), or memory for development without durability."
    return [Error(f"PANTHEON_JOURNAL is {settings.PANTHEON_JOURNAL!r}.", hint=hint, id="pantheon.E011")]


def check_mail(**kwargs: Any) -> list[CheckMessage]:
    """Error if mail is configured without PANTHEON_URL: links in mails are never built from a request's host."""
    if settings.PANTHEON_URL or not settings.EMAIL_URL:
        return []
    return [
        Error(
            "EMAIL_URL is set but PANTHEON_URL is not, so links in mails would have no address.",
            hint="Set PANTHEON_URL to the address people use, such as https://council.example.org, or unset EMAIL_URL.",
            id="pantheon.E021",
        )
    ]


def check_signup(**kwargs: Any) -> list[CheckMessage]:
    """Error if PANTHEON_SIGNUP has an unknown value."""
    if settings.PANTHEON_SIGNUP in SIGNUPS:
        return []
    hint = "Set invite (the default), open or closed."
    return [Error(f"PANTHEON_SIGNUP is {settings.PANTHEON_SIGNUP!r}.", hint=hint, id="pantheon.E020")]


def check_url(**kwargs: Any) -> list[CheckMessage]:
    """Error if PANTHEON_URL is not `scheme://host[:port]`."""
    url = settings.PANTHEON_URL
    if not url:
        return []
    parts = urlsplit(url)
    if (
        parts.scheme in ("http", "https")
        and parts.hostname
        and not (parts.path or parts.query or parts.fragment)
    ):
        return []
    hint = "Set scheme, host and optionally a port, without a path: https://council.example.org"
    return [Error(f"PANTHEON_URL is {url!r}.", hint=hint, id="pantheon.E005")]


def check_public_address(**kwargs: Any) -> list[CheckMessage]:
    """Warn if PANTHEON_URL is not https. For `check --deploy`."""
    if settings.IS_HTTPS:
        return []
    problem = f"is {settings.PANTHEON_URL!r}" if settings.PANTHEON_URL else "is not set"
    return [
        Warning(
            f"PANTHEON_URL {problem}: cookies are sent over unencrypted connections too, without a redirect to https.",
            hint="Set PANTHEON_URL to the https address people use, such as https://council.example.org; this turns on "
            "secure cookies, redirects and HSTS.",
            id="pantheon.W002",
        )
    ]


def check_web_processes(**kwargs: Any) -> list[CheckMessage]:
    """Error on several web processes without Redis: a turn's events would be in the memory of one of them."""
    count = web_processes()
    if count == "1" or settings.REDIS_URL:
        return []
    return [
        Error(
            f"{count} web processes are configured, but without Redis they cannot read each other's turn events.",
            hint="Set REDIS_URL, and DATABASE_URL to PostgreSQL; or set WEB_CONCURRENCY=1 (or unset it) and no "
            "--workers in GUNICORN_CMD_ARGS.",
            id="pantheon.E006",
        )
    ]


def check_shared_database(**kwargs: Any) -> list[CheckMessage]:
    """Error on SQLite with workers: several processes would write, and SQLite allows one writer at a time."""
    if not settings.REDIS_URL or not uses_sqlite():
        return []
    return [
        Error(
            "REDIS_URL is set, so Celery workers run the turns, but the database is a SQLite file.",
            hint="Set DATABASE_URL=postgres://user:password@host/name, or unset REDIS_URL to run turns in the web "
            "process.",
            id="pantheon.E012",
        )
    ]


def check_shared_journal(**kwargs: Any) -> list[CheckMessage]:
    """Error on the journal in memory with workers: turns move to another process whenever one restarts."""
    if not settings.REDIS_URL or settings.PANTHEON_JOURNAL != MEMORY:
        return []
    return [
        Error(
            "PANTHEON_JOURNAL is memory, but Celery workers run the turns and cannot read each other's journal.",
            hint="Set PANTHEON_JOURNAL=database (or unset it), or unset REDIS_URL.",
            id="pantheon.E013",
        )
    ]


def check_production() -> list[CheckMessage]:
    """Error if settings for `bin/run --production` are missing. Not registered: only that command calls it."""
    missing = []
    if uses_sqlite():
        missing.append("DATABASE_URL=postgres://user:password@host/name")
    if not settings.REDIS_URL:
        missing.append("REDIS_URL=redis://host:6379/0")
    if not missing:
        return []
    return [
        Error(
            "--production starts several processes, which need PostgreSQL and Redis.",
            hint=f"Set {' and '.join(missing)}; or run bin/run without --production, which needs neither.",
            id="pantheon.E014",
        )
    ]


def uses_sqlite() -> bool:
    return str(settings.DATABASES["default"]["ENGINE"]).endswith("sqlite3")


def web_processes() -> str:
    """Return the configured number of web workers; GUNICORN_CMD_ARGS overrides WEB_CONCURRENCY."""
    count = os.environ.get("WEB_CONCURRENCY") or "1"
    arguments = shlex.split(os.environ.get("GUNICORN_CMD_ARGS", ""))
    for position, argument in enumerate(arguments):
        if match := re.fullmatch(r"(?:--workers=|-w=?)(\d+)", argument):
            count = match[1]
        elif argument in ("--workers", "-w") and position + 1 < len(arguments):
            count = arguments[position + 1]
    return count


def check_database(**kwargs: Any) -> list[CheckMessage]:
    """Error if there are fewer than 2 database connections per process."""
    size = settings.PANTHEON_DB_POOL_SIZE
    if size < 2:
        message = f"PANTHEON_DB_POOL_SIZE is {size}."
        return [Error(message, hint="Set at least 2: requests and turns share them.", id="pantheon.E007")]
    return []


def check_redis(**kwargs: Any) -> list[CheckMessage]:
    if not settings.REDIS_URL or urlsplit(settings.REDIS_URL).scheme in REDIS_SCHEMES:
        return []
    # Do not show the value: it may contain a password.
    return [Error("REDIS_URL is not a Redis URL.", hint="Set redis://host:6379/0.", id="pantheon.E008")]


def check_files(**kwargs: Any) -> list[CheckMessage]:
    """Error if files cannot be stored: a directory that cannot be written, or a URL that is not one of S3."""
    if not settings.PANTHEON_FILES_URL:
        return check_files_directory(settings.PANTHEON_FILES_DIR)
    parts = urlsplit(settings.PANTHEON_FILES_URL)
    if parts.scheme != "s3" or not parts.netloc or parts.query or parts.fragment or "@" in parts.netloc:
        # Do not show the value: somebody may have written a password into it.
        hint = (
            "Set s3://bucket or s3://bucket/prefix; keys are in AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY."
        )
        return [Error("PANTHEON_FILES_URL is not a URL of a bucket.", hint=hint, id="pantheon.E023")]
    if find_spec("storages") is None or find_spec("boto3") is None:
        hint = "Install them: .venv/bin/python -m pip install --require-hashes -r requirements-s3.txt"
        return [Error("PANTHEON_FILES_URL needs packages that are missing.", hint=hint, id="pantheon.E024")]
    return []


def check_files_directory(directory: Path) -> list[CheckMessage]:
    existing = next(path for path in (directory, *directory.parents) if path.exists())
    if existing.is_dir() and os.access(existing, os.W_OK | os.X_OK):
        return []
    hint = "Set PANTHEON_FILES_DIR to a directory that this account can write to."
    return [Error(f"Files cannot be stored in {directory}.", hint=hint, id="pantheon.E025")]


def check_connections(**kwargs: Any) -> list[CheckMessage]:
    """Error if the environment's certificates or proxies keep us from calling any provider."""
    if not (problem := setup_problem()):
        return []
    hint = "Correct or unset the variable: with it, no provider can be called."
    return [Error(problem, hint=hint, id="pantheon.E022")]


SETTINGS_CHECKS = (
    check_numbers,
    check_summary_trigger,
    check_metrics_port,
    check_key_files,
    check_private_files,
    check_lease,
    check_journal,
    check_url,
    check_mail,
    check_signup,
    check_web_processes,
    check_shared_database,
    check_shared_journal,
    check_database,
    check_redis,
    check_files,
    check_connections,
)
