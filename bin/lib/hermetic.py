"""Hide the developer's own keys, proxies and settings from checks and tests."""

import os
import re
from collections.abc import MutableMapping

_FOREIGN = re.compile(
    r"(AWS|OPENAI|ANTHROPIC|AZURE_OPENAI|OPENROUTER|PANTHEON|DJANGO|GUNICORN|CELERY)_.*"
    r"|.*_API_KEY|.*_PROXY|(DATABASE|REDIS)_URL_FILE|EMAIL_URL(_FILE)?|HOST|PORT|WEB_CONCURRENCY|FORWARDED_ALLOW_IPS",
    re.IGNORECASE,
)


def clean(environment: MutableMapping[str, str], *, data_dir: str) -> None:
    """Remove variables that could change a result, ignore `.env`, and keep data in `data_dir`.

    DATABASE_URL and REDIS_URL stay: they name the servers to test on.
    """
    for name in [name for name in environment if _FOREIGN.fullmatch(name)]:
        del environment[name]
    environment["PANTHEON_ENV_FILE"] = os.devnull
    environment["PANTHEON_DATA_DIR"] = data_dir
    environment["PANTHEON_TITLES"] = "0"  # tests count model calls; those of titles switch them on


def environment(data_dir: str) -> dict[str, str]:
    """Return a clean environment for commands, without servers."""
    variables = dict(os.environ)
    for name in ("DATABASE_URL", "REDIS_URL"):
        variables.pop(name, None)
    clean(variables, data_dir=data_dir)
    variables["TMPDIR"] = data_dir  # what a process leaves when it is stopped goes with it
    return variables
