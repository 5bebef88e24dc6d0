"""Files as pages show them: chips on messages and in lists."""

from __future__ import annotations

import uuid
from dataclasses import dataclass

from django.conf import settings
from django.urls import reverse

from sessions.models import File, MessageFile

KIB = 1024
MIB = 1024 * KIB
GIB = 1024 * MIB

LONG_PASTE_CHARS = 4_000
"""A longer text that is pasted may become a file."""

ACCEPTED = ",".join(
    [
        *("image/png", "image/jpeg", "image/webp", "image/gif", "text/*"),
        *(".pdf", ".docx", ".xlsx", ".pptx", ".epub", ".html", ".htm"),
        *(
            ".txt",
            ".md",
            ".markdown",
            ".csv",
            ".tsv",
            ".json",
            ".jsonl",
            ".xml",
            ".yaml",
            ".yml",
            ".toml",
            ".ini",
        ),
        *(
            ".log",
            ".sql",
            ".py",
            ".js",
            ".ts",
            ".tsx",
            ".jsx",
            ".java",
            ".c",
            ".h",
            ".cpp",
            ".cs",
            ".go",
            ".rs",
        ),
        *(
            ".rb",
            ".php",
            ".sh",
            ".swift",
            ".kt",
            ".scala",
            ".r",
            ".lua",
            ".css",
            ".tex",
            ".rst",
            ".diff",
            ".patch",
        ),
    ]
)
"""What a file dialog offers first. The server decides by the content."""


@dataclass(frozen=True, slots=True)
class FileChip:
    """A file as templates/partials/file_chip.html shows it."""

    id: uuid.UUID
    name: str
    kind: str
    bytes: int
    tokens: int

    @property
    def facts(self) -> str:
        """The size and the tokens; static/js/file-chips.js writes the same."""
        return f"{size_text(self.bytes)} · {self.tokens:,} token{'' if self.tokens == 1 else 's'}"

    @property
    def content_url(self) -> str:
        return reverse("api-file-content", args=[self.id])


def chip_of(file: File) -> FileChip:
    return FileChip(file.pk, file.name, file.kind, file.bytes, file.tokens)


def size_text(size: int) -> str:
    if size < KIB:
        return f"{size} B"
    if size < MIB:
        return f"{round(size / KIB)} KB"
    return f"{size / MIB:.1f} MB" if size < GIB else f"{size / GIB:.1f} GB"


def file_facts() -> dict[str, int]:
    """Return the limits that scripts of a conversation need."""
    return {
        "most": MessageFile.MOST_PER_MESSAGE,
        "maxBytes": settings.PANTHEON_FILE_MAX_MIB * MIB,
        "longPaste": LONG_PASTE_CHARS,
    }
