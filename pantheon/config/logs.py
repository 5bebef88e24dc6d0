"""How log lines look: plain text for a terminal, or JSON objects with the ids of what they speak of.

A JSON line has `event`, `level`, `logger`, `timestamp` (UTC) and, where they are known, `request_id`, `user_id`,
`turn_id` and `call_id`: whoever begins one of these binds its id with `structlog.contextvars`. No line holds message
text or keys.
"""

from __future__ import annotations

import logging
import re
from typing import Any

import structlog

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
"""The SDKs' HTTP client logs a line per request at INFO, Django a warning per 404, Celery two lines per task."""

REFUSED = "django.security."
REFUSED_CHARS = 300


def logging_config(*, log_format: str, level: str) -> dict[str, Any]:
    """Return the dictConfig. Lines per request (`pantheon.requests`) are for machines: a terminal shows none."""
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
    """Takes the secrets of one-time links out of the addresses that Django logs: whoever has one takes the account."""

    def filter(self, record: logging.LogRecord) -> bool:
        if record.name.startswith("django."):
            message = record.getMessage()
            if (safe := ONE_TIME_LINK.sub(r"\1[secret]", message)) != message:
                record.msg, record.args = safe, ()
            vars(record).pop("request", None)  # which JSON would write with all of its address
        return True


class RefusalFilter(logging.Filter):
    """Makes one line of a request that Django refuses: a wrong host, a filter that is not allowed, too many fields.

    Anybody can send many of them, with anything in them; where in the code one was noticed tells nothing.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        if record.name.startswith(REFUSED):
            line = record.getMessage().encode("unicode_escape").decode()
            record.msg, record.args = line[:REFUSED_CHARS], ()
            record.exc_info = record.exc_text = record.stack_info = None
            record.levelno, record.levelname = logging.WARNING, "WARNING"
        return True


def json_formatter() -> structlog.stdlib.ProcessorFormatter:
    """Return the formatter of JSON lines, an exception among them as text."""
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
