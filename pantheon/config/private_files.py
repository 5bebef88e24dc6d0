"""Keep other accounts of this machine from reading our files: database, secret key and everything else we write."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from django.core.exceptions import ImproperlyConfigured

UMASK = 0o077
"""Umask of all our processes."""

OTHERS = 0o077
SQLITE_ENDS = ("", "-wal", "-shm", "-journal")


def data_dir_prepare(path: Path, *, ours: bool) -> None:
    """Create the data directory and set the umask, both for this user only. `ours`: restrict an existing one too.

    A directory that was configured may also serve other purposes, so only a check warns if it is open. Raises
    ImproperlyConfigured if it cannot be created.
    """
    os.umask(UMASK)
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise data_dir_unusable(path, error) from error
    if ours:
        narrow(path)


def data_dir_unusable(path: Path, error: OSError) -> ImproperlyConfigured:
    """Return the error that says what to set instead of a data directory that does not work."""
    return ImproperlyConfigured(
        f"the data directory {path} cannot be used ({error.strerror or error}). Set PANTHEON_DATA_DIR to a directory "
        "that this account can write to."
    )


def files_narrow(data_dir: Path, database: str | None) -> None:
    """Restrict secret files that earlier versions wrote with wider permissions."""
    for path in secret_files(data_dir, database):
        narrow(path)


def secret_files(data_dir: Path, database: str | None) -> Iterator[Path]:
    """Yield the existing files with secrets. `database` is the path of the SQLite file."""
    paths = [data_dir / "secret_key"]
    if database:
        paths += [Path(f"{database}{end}") for end in SQLITE_ENDS]
    yield from (path for path in paths if path.is_file())


def narrow(path: Path) -> None:
    """Remove all permissions of group and others, if this user owns the file: only the owner can."""
    status = path.stat()
    if status.st_uid == os.geteuid() and status.st_mode & OTHERS:
        path.chmod(stat.S_IMODE(status.st_mode) & ~OTHERS)


def is_open(path: Path) -> bool:
    """Return whether group or others have any permission on a file or directory."""
    return bool(path.stat().st_mode & OTHERS)
