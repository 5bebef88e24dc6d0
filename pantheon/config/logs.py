"""Logging configuration: plain text for a terminal, or one JSON object per line.

A JSON line has `event`, `level`, `logger`, `timestamp` (UTC) and, if known, `request_id`, `user_id`, `turn_id` and
`call_id`. Code that starts a request, turn or call binds its id with `structlog.contextvars`. Log lines never contain
message texts or keys.
"""

from __future__ import annotations

import logging
import re
from typing import Any

import structlog

from pantheon.config.hosts import LONGEST_HOST, line_to_allow

TEXT, JSON = "text", "json"
FORMATS = (TEXT, JSON)

ONE_TIME_LINK = re.compile(r"(/(?:setup|invite|reset-password)/)\S+")

QUIET = {
    "httpx2": "WARNING",
    "httpx": "WARNING",
    "django.request": "ERROR",
    "celery.worker.strategy": "WARNING",
    "celery.app.trace": "WARNING",
}
"""At INFO the SDKs' HTTP client logs every request and Celery two lines per task; Django warns of every 404."""

REFUSED = "django.security."
REFUSED_CHARS = 300
UNKNOWN_HOST = re.compile(rf"You may need to add '([^']{{1,{LONGEST_HOST}}})' to ALLOWED_HOSTS\.")
"""Django's advice, which names its own setting."""


def logging_config(*, log_format: str, level: str) -> dict[str, Any]:
    """Return the dictConfig. The line per request (`pantheon.requests`) is only logged as JSON."""
    requests = "INFO" if log_format == JSON else "WARNING"
    levels = {**QUIET, "pantheon.requests": requests}
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {
            TEXT: {"format": "{asctime} {levelname} {name}: {message}", "style": "{"},
            JSON: {"()": "pantheon.config.logs.json_formatter"},
        },
        "filters": {
            "links": {"()": "pantheon.config.logs.LinkFilter"},
            "refusals": {"()": "pantheon.config.logs.RefusalFilter"},
        },
        "handlers": {
            "console": {
                "class": "logging.StreamHandler",
                "formatter": log_format,
                "filters": ["links", "refusals"],
            }
        },
        "root": {"handlers": ["console"], "level": level},
        "loggers": {name: {"level": of_logger} for name, of_logger in levels.items()},
    }


class LinkFilter(logging.Filter):
    """Remove the secrets of one-time links from URLs that Django logs: they give access to an account."""

    def filter(self, record: logging.LogRecord) -> bool:
        if record.name.startswith("django."):
            message = record.getMessage()
            if (safe := ONE_TIME_LINK.sub(r"\1[secret]", message)) != message:
                record.msg, record.args = safe, ()
            vars(record).pop("request", None)  # the JSON formatter would write it, with the full URL
        return True


class RefusalFilter(logging.Filter):
    """Log a request that Django refuses (wrong host, forbidden filter, too many fields) as one short warning.

    Anybody can send many of them with any content, and their tracebacks are useless.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        if record.name.startswith(REFUSED):
            line = record.getMessage().encode("unicode_escape").decode()
            if host := UNKNOWN_HOST.search(line):
                record.msg = (
                    "A request for the host %s was refused. To allow it, set %s and restart Pantheon."
                )
                record.args = (host[1], line_to_allow(host[1]))
            else:
                record.msg, record.args = line[:REFUSED_CHARS], ()
            record.exc_info = record.exc_text = record.stack_info = None
            record.levelno, record.levelname = logging.WARNING, "WARNING"
        return True


def json_formatter() -> structlog.stdlib.ProcessorFormatter:
    """Return the formatter of JSON lines. Exceptions become a text field."""
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[
            structlog.contextvars.merge_contextvars,
            structlog.stdlib.add_logger_name,
            structlog.stdlib.add_log_level,
            structlog.stdlib.ExtraAdder(),
            structlog.processors.TimeStamper(fmt="iso", utc=True),
        ],
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(default=str, ensure_ascii=False),
        ],
    )
