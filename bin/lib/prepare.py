"""What bin/run does before the server starts, in one process: check, migrate, collect static files."""

import errno
import io
import os
import socket
import sys
from pathlib import Path

import processes

ROOT = Path(__file__).resolve().parents[2]


def main(arguments: list[str]) -> int:
    given = processes.options().parse_args(arguments)
    if given.only in ("worker", "beat"):
        return 0  # they check for themselves, and the web server prepares the rest
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
        prepare(base_url(gunicorn.host, gunicorn.port), production=given.production)
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
        say("there is no administrator yet; this link makes one, once:")
        print(link.getvalue().strip())
    say(f"starting on {url} (Ctrl-C stops)")


def refuse_if_not_fit() -> None:
    """Say what --production lacks. Raises SystemCheckError."""
    from django.core.management.base import SystemCheckError

    from pantheon.config.checks import check_production

    if errors := check_production():
        raise SystemCheckError("\n".join(str(error) for error in errors))


class AddressError(Exception):
    """HOST and PORT are no address that can be listened on."""


def claim_address(host: str, port: str) -> None:
    """Say what is wrong with the address before anything is changed; gunicorn would try for five seconds."""
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
                f"port {port} on {host} is in use. Stop what listens there, or take another: "
                f"PORT={int(port) % 65535 + 1} bin/run"
            ) from None
        raise AddressError(f"cannot listen on HOST={host} PORT={port}: {error.strerror or error}") from None


def base_url(host: str, port: str) -> str:
    """The address for a browser on this machine; PANTHEON_URL where people come from elsewhere."""
    if public := os.environ.get("PANTHEON_URL", "").rstrip("/"):
        return public
    if host in ("0.0.0.0", "::"):  # noqa: S104 - every interface, so this machine's own too
        host = "127.0.0.1"
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def say(text: str) -> None:
    print(f"pantheon: {text}", file=sys.stderr)


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(130)
