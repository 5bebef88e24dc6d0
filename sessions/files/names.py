"""Names of files, as people see them: never a path, on one line, without signs that hide what they are."""

from __future__ import annotations

import re
import unicodedata

from sessions.models import File

NAMELESS = "file"
SHORTEST_STEM = 20


def clean_name(name: str) -> str:
    """Return the last part of a path without control and formatting characters, at most as long as the column."""
    last = re.split(r"[/\\]", name)[-1]
    shown = "".join(
        character
        for character in unicodedata.normalize("NFC", last)
        if unicodedata.category(character) not in ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp")
    )
    shown = " ".join(shown.split()).strip(". ")
    return shortened(shown) or NAMELESS


def shortened(name: str) -> str:
    """Cut a name in the middle: its ending says what it is."""
    if len(name) <= File.MAX_NAME_CHARS:
        return name
    stem, dot, ending = name.rpartition(".")
    room = File.MAX_NAME_CHARS - len(dot + ending)
    return f"{stem[:room]}{dot}{ending}" if dot and room >= SHORTEST_STEM else name[: File.MAX_NAME_CHARS]
