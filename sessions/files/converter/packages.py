"""Documents that are ZIP archives of XML: Word, Excel, PowerPoint, EPUB.

These formats have no document type definitions, so a part with one is a bomb or a reach for other files: all parts
are parsed once to find that out, before a library reads them.
"""

from __future__ import annotations

import io
import posixpath
import zipfile
from collections.abc import Iterator
from typing import Any
from urllib.parse import unquote
from xml.parsers import expat

import defusedxml.ElementTree as SafeXml

from sessions.files.converter.results import Converted, NotConverted, TextParts
from sessions.files.converter.sniffing import archive_type, open_archive
from sessions.files.converter.tables import rule, table, table_row
from sessions.files.converter.web_pages import markdown_of_html

OFFICE = "application/vnd.openxmlformats-officedocument"
MEDIA_TYPES = {
    "docx": f"{OFFICE}.wordprocessingml.document",
    "xlsx": f"{OFFICE}.spreadsheetml.sheet",
    "pptx": f"{OFFICE}.presentationml.presentation",
    "epub": "application/epub+zip",
}
XML_BEGINNINGS = (b"<", b"\xef\xbb\xbf<", b"\xfe\xff", b"\xff\xfe", b"\0<")
"""Also those of UTF-16. A part's name says nothing: another part may declare any name to be the document."""
OPF = "{http://www.idpf.org/2007/opf}"
CONTAINER = "{urn:oasis:names:tc:opendocument:xmlns:container}"
PAGE_TYPES = ("application/xhtml+xml", "text/html")
MAX_GROUP_DEPTH = 20


def convert_package(content: bytes) -> Converted:
    """Return the Markdown of a document. Raises NotConverted, and various errors for a damaged file."""
    with open_archive(content) as archive:
        kind = archive_type(archive)
        if kind is None:
            raise NotConverted("type")
        if kind != "epub":
            refuse_doctypes(archive)
        text, pages = CONVERTERS[kind](content, archive)
    return Converted(MEDIA_TYPES[kind], text=text, pages=pages)


def refuse_doctypes(archive: zipfile.ZipFile) -> None:
    """Raise NotConverted if an XML part declares a document type."""
    for name in archive.namelist():
        with archive.open(name) as part:
            if part.read(64).lstrip().startswith(XML_BEGINNINGS):
                part.seek(0)
                parser = expat.ParserCreate()
                parser.StartDoctypeDeclHandler = doctype_found
                parser.ParseFile(part)


def doctype_found(*args: Any) -> None:
    raise NotConverted("damaged")


def markdown_of_docx(content: bytes, archive: zipfile.ZipFile) -> tuple[str, None]:
    import mammoth

    html = mammoth.convert_to_html(io.BytesIO(content), convert_image=lambda image: []).value
    return markdown_of_html(html), None


def markdown_of_xlsx(content: bytes, archive: zipfile.ZipFile) -> tuple[str, int]:
    """Return a table per sheet, with the values that the application computed last."""
    from openpyxl import load_workbook

    workbook = load_workbook(io.BytesIO(content), read_only=True, data_only=True, keep_links=False)
    parts = TextParts()
    for sheet in workbook.worksheets:
        parts.add(f"\n## {sheet.title}\n")
        sheet.reset_dimensions()  # what a file states about its size may be wrong
        is_first = True
        for row in sheet.iter_rows(values_only=True):
            cells = ["" if value is None else str(value) for value in row]
            while cells and not cells[-1]:
                cells.pop()
            if not cells:
                continue
            parts.add(table_row(cells))
            if is_first:
                parts.add(rule(len(cells)))
                is_first = False
    return parts.joined("\n").strip(), len(workbook.worksheets)


def markdown_of_pptx(content: bytes, archive: zipfile.ZipFile) -> tuple[str, int]:
    from pptx import Presentation

    presentation = Presentation(io.BytesIO(content))
    parts, number = TextParts(), 0
    for number, slide in enumerate(presentation.slides, 1):
        parts.add(f"## Slide {number}")
        for text in texts_of_shapes(slide.shapes, 0):
            parts.add(text)
        notes = slide.notes_slide.notes_text_frame if slide.has_notes_slide else None
        if notes is not None and (text := notes.text.strip()):
            parts.add(f"Notes: {text}")
    return parts.joined("\n\n"), number


def texts_of_shapes(shapes: Any, depth: int) -> Iterator[str]:
    """Yield the texts and tables of a slide, in order; those of groups too."""
    for shape in shapes:
        if hasattr(shape, "shapes"):
            if depth < MAX_GROUP_DEPTH:
                yield from texts_of_shapes(shape.shapes, depth + 1)
        elif getattr(shape, "has_table", False):
            yield table([[cell.text for cell in row.cells] for row in shape.table.rows])
        elif shape.has_text_frame and (text := shape.text_frame.text.strip()):
            yield text


def markdown_of_epub(content: bytes, archive: zipfile.ZipFile) -> tuple[str, None]:
    """Return the chapters in the order in which they are read."""
    root = SafeXml.fromstring(archive.read("META-INF/container.xml"))
    package_name = root.find(f"{CONTAINER}rootfiles/{CONTAINER}rootfile").get("full-path")
    package = SafeXml.fromstring(archive.read(package_name))
    items = {item.get("id"): item for item in package.iter(f"{OPF}item")}
    parts = TextParts()
    for reference in package.iter(f"{OPF}itemref"):
        item = items.get(reference.get("idref"))
        if item is None or item.get("media-type") not in PAGE_TYPES:
            continue
        name = posixpath.normpath(
            posixpath.join(posixpath.dirname(package_name), unquote(item.get("href", "")))
        )
        if name in archive.NameToInfo:
            parts.add(markdown_of_html(archive.read(name)))
    return parts.joined("\n\n"), None


CONVERTERS: dict[str, Any] = {
    "docx": markdown_of_docx,
    "xlsx": markdown_of_xlsx,
    "pptx": markdown_of_pptx,
    "epub": markdown_of_epub,
}
