"""Read settings from the environment. An invalid value raises ImproperlyConfigured with a one-line message."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import environ
from django.core.exceptions import ImproperlyConfigured

SMTP_SCHEMES = ("smtp", "smtp+tls", "smtp+ssl")
DATABASES = ("django.db.backends.sqlite3", "django.db.backends.postgresql")
ON, OFF = ("1", "true", "yes", "on"), ("0", "false", "no", "off")
LOG_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")


class Environment(environ.FileAwareEnv):
    """Environment variables and `.env`. `NAME_FILE` names a file that holds the value of `NAME`."""

    def get_value(self, var: str, cast: Any = None, default: Any = "", parse_default: bool = False) -> Any:
        """Return a value exactly as it is written, or the default.

        django-environ replaces a value that begins with `$` by that of the variable it seems to name: a password such
        as `$ecret` would be lost without a word.
        """
        try:
            text = self.ENVIRON[var]
        except KeyError:
            return default
        except (OSError, UnicodeDecodeError) as error:
            raise ImproperlyConfigured(
                f"{var}_FILE names a file that cannot be read: "
                f"{getattr(error, 'strerror', None) or 'it is not text'}."
            ) from error
        try:
            return self.parse_value(text, cast)
        except ValueError as error:
            raise ImproperlyConfigured(
                f"{var} must be a number; correct it in the environment or in .env."
            ) from error

    def log_level(self, var: str, default: str) -> str:
        """Return the name of a Python log level."""
        level: str = self.str(var, default=default).upper()
        if level not in LOG_LEVELS:
            raise ImproperlyConfigured(f"{var} must be one of {', '.join(LOG_LEVELS)}.")
        return level

    def switch(self, var: str, default: bool) -> bool:
        """Return a boolean."""
        text: str = self.str(var, default="").strip().lower()
        if text not in ("", *ON, *OFF):
            raise ImproperlyConfigured(f"{var} must be 1 or 0.")
        return text in ON if text else default

    def choice(self, var: str, default: str, choices: Sequence[str]) -> str:
        """Return one of `choices`."""
        text: str = self.str(var, default=default)
        if text not in choices:
            raise ImproperlyConfigured(f"{var} must be one of {', '.join(choices)}.")
        return text


def database_settings(url: str) -> dict[str, Any]:
    """Return the entry of DATABASES for a URL."""
    try:
        if (
            urlsplit(url).scheme not in environ.Env.DB_SCHEMES
        ):  # of which django-environ warns, with the password
            raise ValueError("unsupported database")
        config: dict[str, Any] = environ.Env.db_url_config(url)
        if config.get("ENGINE") not in DATABASES:
            raise ValueError("unsupported database")
    except (ImproperlyConfigured, ValueError) as error:
        # Do not show the value: it may contain a password.
        raise ImproperlyConfigured(
            "DATABASE_URL must be postgres://user:password@host:5432/name or sqlite:////path/to/file."
        ) from error
    return config


def mail_settings(url: str) -> dict[str, Any]:
    """Return Django's EMAIL_* settings for the URL of a mail server."""
    try:
        if urlsplit(url).scheme not in SMTP_SCHEMES:
            raise ValueError("not a mail server")
        config: dict[str, Any] = environ.Env.email_url_config(url)
    except (ImproperlyConfigured, ValueError) as error:
        # Do not show the value: it may contain a password.
        raise ImproperlyConfigured(
            "EMAIL_URL must be the address of a mail server: smtp+tls://user:password@mail.example.org:587."
        ) from error
    return {name: value for name, value in config.items() if name.startswith("EMAIL_")}


def host_of(url: str) -> str:
    """Return the host of a URL in the format of ALLOWED_HOSTS: without port, IPv6 addresses in brackets."""
    host = urlsplit(url).hostname or ""
    return f"[{host}]" if ":" in host else host


def files_storage(url: str, directory: Path) -> dict[str, Any]:
    """Return Django's settings of the file storage: S3 if there is a URL, else a directory.

    Keys, region and another address (`AWS_ENDPOINT_URL_S3`) are read from the environment by the S3 client itself. A
    URL that is not valid is left to the check of settings.
    """
    if not url:
        return {"BACKEND": "sessions.files.storage.ContentStorage", "OPTIONS": {"location": directory}}
    parts = urlsplit(url)
    options = {
        "bucket_name": parts.netloc,
        "location": parts.path.strip("/"),
        "default_acl": None,
        "file_overwrite": True,  # the same name is the same content
        "querystring_auth": True,
    }
    return {"BACKEND": "storages.backends.s3.S3Storage", "OPTIONS": options}
