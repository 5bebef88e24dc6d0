"""What a file is, by its content: the name and the type that a client states are never looked at."""

from __future__ import annotations

import io
import re
import zipfile

from sessions.files.converter.results import NotConverted

IMAGES = (
    (b"\x89PNG\r\n\x1a\n", "PNG"),
    (b"\xff\xd8\xff", "JPEG"),
    (b"GIF87a", "GIF"),
    (b"GIF89a", "GIF"),
)
PDF = b"%PDF-"
ZIP = (b"PK\x03\x04", b"PK\x05\x06")
COMMENT = re.compile(r"\s*<!--.*?-->", re.S)
DECLARATION = re.compile(r"\s*<\?xml[^>]*\?>")
HTML = re.compile(r"\s*<(!doctype\s+html|html)[\s>]", re.I)

MAX_ARCHIVE_BYTES = 256 * 1024 * 1024
"""Maximum unpacked size of a document that is a ZIP archive: more is a bomb, or does not fit into memory."""
MAX_ARCHIVE_ENTRIES = 10_000


def image_format(content: bytes) -> str | None:
    """Return Pillow's name of the format of an image, None for anything else."""
    for magic, name in IMAGES:
        if content.startswith(magic):
            return name
    if content[:4] == b"RIFF" and content[8:12] == b"WEBP":
        return "WEBP"
    return None


def is_pdf(content: bytes) -> bool:
    return content.startswith(PDF)


def is_archive(content: bytes) -> bool:
    return content.startswith(ZIP)


def is_html(text: str) -> bool:
    """Return whether a text begins as a web page does, perhaps after comments."""
    start = text[:4096]
    place = declaration.end() if (declaration := DECLARATION.match(start)) else 0
    # One by one: a single expression for all comments tries every way to divide them.
    while comment := COMMENT.match(start, place):
        place = comment.end()
    return HTML.match(start, place) is not None


def open_archive(content: bytes) -> zipfile.ZipFile:
    """Open a ZIP archive whose entries are few and small enough. Raises NotConverted."""
    archive = zipfile.ZipFile(io.BytesIO(content))
    entries = archive.infolist()
    # The stated size is no promise, but no more than it is ever unpacked: `zipfile` then reports a wrong checksum.
    if len(entries) > MAX_ARCHIVE_ENTRIES or sum(entry.file_size for entry in entries) > MAX_ARCHIVE_BYTES:
        raise NotConverted("too_large")
    if any(entry.flag_bits & 1 for entry in entries):
        raise NotConverted("encrypted")
    return archive


def archive_type(archive: zipfile.ZipFile) -> str | None:
    """Return `docx`, `xlsx`, `pptx` or `epub`; None for any other archive."""
    names = archive.namelist()
    if "[Content_Types].xml" in names:
        for folder, kind in (("word/", "docx"), ("xl/", "xlsx"), ("ppt/", "pptx")):
            if any(name.startswith(folder) for name in names):
                return kind
    if "META-INF/container.xml" in names and "mimetype" in names:
        return "epub" if archive.read("mimetype").strip() == b"application/epub+zip" else None
    return None
