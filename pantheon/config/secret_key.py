"""The secret key, generated at the first start if none is configured."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from pantheon.config.private_files import data_dir_unusable


def load_or_make_secret_key(path: Path) -> str:
    """Return the key stored at `path`; generate it if missing. Raises ImproperlyConfigured if neither is possible."""
    try:
        return stored_key(path)
    except OSError as error:
        raise data_dir_unusable(path.parent, error) from error


def stored_key(path: Path) -> str:
    """Return the key stored at `path`; generate it if missing, readable only by the owner.

    The file is written under another name and hard-linked into place, so that processes starting at the same time
    agree on one key and none reads a partial file.
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
