"""Startup of a process: load and check the settings, or exit with one line that says what is wrong."""

from __future__ import annotations

import io
import os
import sys
from typing import NoReturn

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.management import CommandError, call_command


def settings_load(*, exit_code: int = 1) -> None:
    """Load the settings; exit if one is invalid."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "pantheon.settings")
    try:
        settings.INSTALLED_APPS  # noqa: B018  (the first access loads them all)
    except ImproperlyConfigured as error:
        refuse(error, exit_code)


def settings_check() -> None:
    """Run the system checks; exit if one finds an error."""
    try:
        call_command("check", stdout=io.StringIO())
    except CommandError as error:
        refuse(error)


def refuse(error: Exception, exit_code: int = 1) -> NoReturn:
    print(f"pantheon: the configuration cannot work: {str(error).strip()}", file=sys.stderr, flush=True)  # noqa: T201
    sys.exit(exit_code)
