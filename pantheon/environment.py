"""The environment as the settings read it: a value that is no number is said in one line, without a traceback."""

from __future__ import annotations

from typing import Any

import environ
from django.core.exceptions import ImproperlyConfigured


class Environment(environ.FileAwareEnv):
    """Variables, `.env`, and `NAME_FILE` for what is kept in a file."""

    def get_value(self, var: str, *args: Any, **kwargs: Any) -> Any:
        try:
            return super().get_value(var, *args, **kwargs)
        except ValueError as error:
            raise ImproperlyConfigured(
                f"{var} must be a number; correct it in the environment or in .env."
            ) from error
