"""Prepare the start of the server for bin/run, in one process: check, migrate, collect static files."""

import errno
import io
import os
import socket
import sys
from pathlib import Path

import processes

ROOT = Path(__file__).resolve().parents[2]


def main(arguments: list[str]) -> int:
    options = processes.argument_parser().parse_args(arguments)
    if options.only in ("worker", "beat"):
        return 0  # these run the checks themselves; the web server prepares the rest
    sys.path.insert(0, str(ROOT))
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "pantheon.settings")

    import django
    from django.core.exceptions import ImproperlyConfigured
    from django.core.management.base import CommandError
    from django.db import DatabaseError

    from pantheon import gunicorn

    try:
        claim_address(gunicorn.host, gunicorn.port)
        django.setup()
        prepare(base_url(gunicorn.host, gunicorn.port), production=options.production)
    except AddressError as error:
        say(str(error))
    except (ImproperlyConfigured, CommandError) as error:
        say(f"the configuration cannot work: {str(error).strip()}")
    except DatabaseError as error:
        say(f"the database of DATABASE_URL cannot be used: {str(error).strip()}")
    else:
        return 0
    return 1


def prepare(url: str, *, production: bool) -> None:
    from django.conf import settings
    from django.core.management import call_command
    from django.db import connection
    from django.db.migrations.executor import MigrationExecutor

    from pantheon.config.private_files import data_dir_unusable

    if not os.access(settings.PANTHEON_DATA_DIR, os.W_OK | os.X_OK):
        raise data_dir_unusable(
            settings.PANTHEON_DATA_DIR, PermissionError(errno.EACCES, "Permission denied")
        )
    if production:
        refuse_if_not_fit()
    call_command("check", stdout=io.StringIO())
    executor = MigrationExecutor(connection)
    waiting = len(executor.migration_plan(executor.loader.graph.leaf_nodes()))
    if waiting:
        call_command("migrate", interactive=False, verbosity=0)
    call_command("check", databases=["default"], stdout=io.StringIO())
    say(f"database: {waiting} migrations applied" if waiting else "database: up to date")
    call_command("collectstatic", interactive=False, verbosity=0)
    say(f"static files: collected in {settings.STATIC_ROOT}")
    link = io.StringIO()
    call_command("setup_link", base_url=url, stdout=link)
    if link.getvalue().strip():
        say("no administrator yet; open this one-time link to create the account:")
        print(link.getvalue().strip())
    say(f"starting on {url} (Ctrl-C stops)")


def refuse_if_not_fit() -> None:
    """Raise SystemCheckError if settings for --production are missing."""
    from django.core.management.base import SystemCheckError

    from pantheon.config.checks import check_production

    if errors := check_production():
        raise SystemCheckError("\n".join(str(error) for error in errors))


class AddressError(Exception):
    """The server cannot listen on HOST and PORT."""


def claim_address(host: str, port: str) -> None:
    """Raise AddressError if the address is unusable, before anything changes; gunicorn would retry for five seconds."""
    if not port.isdecimal() or not 0 < int(port) < 65536:
        raise AddressError(f"PORT must be a number from 1 to 65535, not {port!r}.")
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, int(port), type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise AddressError(
                f"port {port} on {host} is in use. Stop the program that listens there, or use another port: "
                f"PORT={int(port) % 65535 + 1} bin/run"
            ) from None
        raise AddressError(f"cannot listen on HOST={host} PORT={port}: {error.strerror or error}") from None


def base_url(host: str, port: str) -> str:
    """Return PANTHEON_URL, else the URL for a browser on this machine."""
    if public := os.environ.get("PANTHEON_URL", "").rstrip("/"):
        return public
    if host in ("0.0.0.0", "::"):  # noqa: S104 - all interfaces, including loopback
        host = "127.0.0.1"
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def say(text: str) -> None:
    print(f"pantheon: {text}", file=sys.stderr)


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(130)
