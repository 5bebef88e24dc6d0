"""Where a web process keeps bodies and uploads while it works on them: on disk. `/tmp` is often memory."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
import time
from pathlib import Path

from pantheon.config.private_files import data_dir_unusable, narrow

LEFT_AFTER_S = 3600
"""After this time, the process that wrote a file or directory was killed. Most files have no name to be left with."""


def temporary_files_use(directory: Path) -> None:
    """Let this process write temporary files to a directory of its account only. Removes what was left there."""
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise data_dir_unusable(directory, error) from error
    narrow(directory)
    left_overs_remove(directory)
    # Django has a setting for uploads, but not for the bodies they come in.
    tempfile.tempdir = str(directory)


def left_overs_remove(directory: Path) -> None:
    for path in directory.iterdir():
        with contextlib.suppress(FileNotFoundError):  # another process removes them too
            if path.lstat().st_mtime < time.time() - LEFT_AFTER_S:
                if path.is_dir() and not path.is_symlink():
                    shutil.rmtree(path, ignore_errors=True)
                else:
                    path.unlink()
