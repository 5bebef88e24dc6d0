"""What a conversion results in, or why there is none."""

from __future__ import annotations

from dataclasses import dataclass

MAX_TEXT_BYTES = 2 * 1024 * 1024
"""Maximum text of a file, in UTF-8."""

MAX_IMAGE_SIDE = 2048
"""Maximum pixels of the long side of a stored image."""


class NotConverted(Exception):
    """The file cannot be taken. `reason` is a key of `sessions.files.conversion.REFUSALS`."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Converted:
    """A file as agents get it: a text, or an image."""

    media_type: str
    text: str = ""
    image: bytes = b""
    """The image to store, of type `media_type`; empty for a text."""
    pages: int | None = None
    width: int | None = None
    height: int | None = None


class TextParts:
    """Parts of a text while they are found. Raises NotConverted as soon as they are too long together."""

    def __init__(self) -> None:
        self._parts: list[str] = []
        self._size = 0

    def add(self, part: str) -> None:
        self._size += len(part)
        if self._size > MAX_TEXT_BYTES:
            raise NotConverted("too_long")
        self._parts.append(part)

    def joined(self, separator: str) -> str:
        return separator.join(self._parts)
