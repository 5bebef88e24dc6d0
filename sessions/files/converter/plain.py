"""Plain text: how bytes are decoded, what is no text, and what kind of text it is."""

from __future__ import annotations

import codecs
import csv
import json
import re
import unicodedata

from sessions.files.converter.results import NotConverted

BOMS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),  # begins with the mark of UTF-16
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
MAX_CONTROL_SHARE = 0.01
LAYOUT = "\t\n\r\f\v"
"""Control characters that belong into a text."""
CONTROL = re.compile(r"[\x00-\x08\x0e-\x1f\x7f-\x9f]")
SURROGATE = re.compile(r"[\ud800-\udfff]")
CSV_LINES = 50
"""Lines that decide whether a text is a table."""


def decoded(content: bytes) -> str:
    """Return the text. Raises NotConverted if it is none: a NUL, or more than 1 % of control characters."""
    text = decoded_bytes(content)
    controls = len(CONTROL.findall(text))
    if "\0" in text or controls > len(text) * MAX_CONTROL_SHARE:
        raise NotConverted("type")
    return text


def decoded_bytes(content: bytes) -> str:
    for mark, encoding in BOMS:
        if content.startswith(mark):
            try:
                return content[len(mark) :].decode(encoding)
            except UnicodeDecodeError:
                break
    encodings = ["utf-8"]
    if b"\0" in content and (order := utf16_without_mark(content)):
        encodings = [order]
    # Windows' extension of Latin-1 comes first: its quotation marks and its euro are control characters in Latin-1.
    for encoding in (*encodings, "cp1252"):
        try:
            return content.decode(encoding)
        except UnicodeDecodeError:
            continue
    return content.decode("latin-1")


def utf16_without_mark(content: bytes) -> str | None:
    """Return the byte order of UTF-16 without a mark: most characters have a zero in the same half."""
    sample = content[:4096]
    pairs = len(sample) // 2
    high, low = sample[0::2].count(0), sample[1::2].count(0)
    if len(content) % 2 or not pairs:
        return None
    if low > pairs * 0.5 and not high:
        return "utf-16-le"
    if high > pairs * 0.5 and not low:
        return "utf-16-be"
    return None


def cleaned(text: str) -> str:
    """Return a text that every database, model and terminal takes: one kind of line end, no control characters."""
    text = text.replace("\r\n", "\n").replace("\r", "\n").removeprefix("\ufeff")
    return SURROGATE.sub("\ufffd", CONTROL.sub("", text))


def text_type(text: str) -> str:
    """Return the media type of a plain text, which is only shown."""
    head = text.lstrip()[:1]
    if head in ("{", "["):
        try:
            json.loads(text)
        except (ValueError, RecursionError):
            return "text/plain"
        return "application/json"
    if text.lstrip().startswith(("<?xml", "<svg")):
        return "application/xml"
    return "text/csv" if is_table(text) else "text/plain"


def is_table(text: str) -> bool:
    """Return whether the first lines have the same number of fields, at least two."""
    lines = text.split("\n", CSV_LINES)[:CSV_LINES]
    for delimiter in ",;\t":
        try:
            counts = {len(row) for row in csv.reader(lines, delimiter=delimiter) if row}
        except csv.Error:
            continue
        if len(counts) == 1 and counts.pop() >= 2 and len(lines) >= 2:
            return True
    return False


def is_blank(text: str) -> bool:
    """Return whether nothing of a text can be seen."""
    return all(character.isspace() or unicodedata.category(character) == "Cf" for character in text)
