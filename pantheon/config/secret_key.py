"""The secret key that a first start makes and keeps, so that nobody has to invent one."""

from __future__ import annotations

import os
import secrets
from pathlib import Path


def load_or_make_secret_key(path: Path) -> str:
    """Return the key kept at `path`, made at first use, readable by its owner alone.

    Written under another name and linked into place, so that processes that start together agree on one key
    and none reads half of it.
    """
    if not path.exists():
        draft = path.with_name(f"{path.name}.{os.getpid()}")
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(secrets.token_urlsafe(48))
        try:
            os.link(draft, path)
        except FileExistsError:
            return path.read_text().strip()
        finally:
            draft.unlink()
    return path.read_text().strip()
