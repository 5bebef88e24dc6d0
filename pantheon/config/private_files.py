"""Files that other accounts of the machine must not read: the database, the secret key, and what else is written."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

UMASK = 0o077
"""For everything that a process of ours writes."""

OTHERS = 0o077
SQLITE_ENDS = ("", "-wal", "-shm", "-journal")


def data_dir_prepare(path: Path, *, ours: bool) -> None:
    """Make the data directory for this user alone, and so the umask. `ours`: one that is there already is narrowed too.

    Where somebody chose another directory it may serve others as well, so a check only says that it is open.
    """
    os.umask(UMASK)
    path.mkdir(parents=True, exist_ok=True)
    if ours:
        narrow(path)


def files_narrow(data_dir: Path, database: str | None) -> None:
    """Take secret files of earlier versions from others."""
    for path in secret_files(data_dir, database):
        narrow(path)


def secret_files(data_dir: Path, database: str | None) -> Iterator[Path]:
    """Yield the files that hold secrets and are there; `database` is the path of the SQLite file."""
    paths = [data_dir / "secret_key"]
    if database:
        paths += [Path(f"{database}{end}") for end in SQLITE_ENDS]
    yield from (path for path in paths if path.is_file())


def narrow(path: Path) -> None:
    """Take every right from others; of what belongs to somebody else only they can."""
    found = path.stat()
    if found.st_uid == os.geteuid() and found.st_mode & OTHERS:
        path.chmod(stat.S_IMODE(found.st_mode) & ~OTHERS)


def is_open(path: Path) -> bool:
    """Tell whether others have any right to a file or directory."""
    return bool(path.stat().st_mode & OTHERS)
