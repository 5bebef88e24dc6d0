"""PDF: the text layer, page by page."""

from __future__ import annotations

import io
import logging

from pypdf import PdfReader
from pypdf.errors import DependencyError

from sessions.files.converter.results import Converted, NotConverted, TextParts

MEDIA_TYPE = "application/pdf"


def convert_pdf(content: bytes) -> Converted:
    """Return the text with a line before each page. Raises NotConverted, and pypdf's errors for a damaged file."""
    logging.disable()
    reader = PdfReader(io.BytesIO(content))
    if reader.is_encrypted:
        unlock(reader)
    parts, found, pages = TextParts(), False, 0
    for pages, page in enumerate(reader.pages, 1):
        text = page.extract_text().strip()
        found = found or bool(text)
        parts.add(f"[Page {pages}]\n\n{text}")
    if not found:
        raise NotConverted("scanned")
    return Converted(MEDIA_TYPE, text=parts.joined("\n\n"), pages=pages)


def unlock(reader: PdfReader) -> None:
    """Open a file that needs no password to be read. Raises NotConverted for any other."""
    try:
        is_open = bool(reader.decrypt(""))
    except (DependencyError, NotImplementedError):
        is_open = False
    if not is_open:
        raise NotConverted("encrypted")
