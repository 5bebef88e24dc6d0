"""Run a command that is installed beside this Python: bin/lib/native.py COMMAND [ARGUMENTS]."""

import os
import sys
from pathlib import Path


def native(name: str) -> str:
    """Return the path of a command in this environment."""
    return str(Path(sys.prefix) / "bin" / name)


if __name__ == "__main__":
    os.execv(native(sys.argv[1]), sys.argv[1:])  # noqa: S606
