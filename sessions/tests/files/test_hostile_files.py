"""Hostile files are refused in time and in bounds: nothing is run, nothing fetched, and other files are read."""

from __future__ import annotations

import os
import subprocess
import zlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait

import psutil
import pytest

from sessions.files.conversion import ROOT, child_start, children_end, convert
from sessions.files.converter.limits import MEMORY_BYTES
from sessions.tests.files.test_conversion import converted, refused
from sessions.tests.support import documents
from web.errors import PantheonError

BOMB = "<!DOCTYPE b [<!ENTITY a0 'ha'>" + "".join(
    f"<!ENTITY a{number} '{f'&a{number - 1};' * 10}'>" for number in range(1, 12)
)
ENTITIES = f"{BOMB}]>"
EXTERNAL = "<!DOCTYPE b [<!ENTITY x SYSTEM 'file:///etc/passwd'>]>"


def zeros(size: int) -> bytes:
    return bytes(size)


def endless_pdf() -> bytes:
    """A PDF whose content takes longer than anybody waits."""
    operators = b"BT /F1 12 Tf " + b"(a) Tj 0 1 Td " * 4_000_000 + b"ET"
    packed = zlib.compress(operators, 9)
    return documents.pdf_of(
        [
            b"<< /Type /Catalog /Pages 2 0 R >>",
            b"<< /Type /Pages /Kids [%s] /Count 9 >>" % (b"4 0 R " * 9),
            b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
            b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents 5 0 R "
            b"/Resources << /Font << /F1 3 0 R >> >> >>",
            documents.stream(packed, b"/Filter /FlateDecode"),
        ]
    )


def cyclic_pdf() -> bytes:
    return documents.pdf_of(
        [
            b"<< /Type /Catalog /Pages 2 0 R >>",
            b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
            b"<< /Type /Pages /Kids [2 0 R 3 0 R] /Parent 3 0 R /Count 1 >>",
        ]
    )


def entry(name: str, content: str | bytes) -> dict[str, str | bytes]:
    return {"[Content_Types].xml": documents.CONTENT_TYPES, name: content}


UNREADABLE: dict[str, Callable[[], bytes]] = {
    "zip bomb": lambda: documents.docx("a", parts={"word/bomb.xml": b"<a>" + zeros(400_000_000)}),
    "zip bomb with a lying header": lambda: documents.lying_archive(
        entry("word/document.xml", b"<" + b"a" * 300_000_000), "word/document.xml", 1000
    ),
    "entity bomb": lambda: documents.docx("&a11;", doctype=ENTITIES),
    "external entity": lambda: documents.docx("&x;", doctype=EXTERNAL),
    "external entity in sheets": lambda: documents.archive(
        entry("xl/workbook.xml", f"{documents.XML}{EXTERNAL}<workbook>&x;</workbook>")
    ),
    "bomb in UTF-16": lambda: documents.docx(
        "a", parts={"word/settings.bin": ENTITIES.encode("utf-16") + "<a>&a9;</a>".encode("utf-16-le")}
    ),
    "PDF with a cycle": cyclic_pdf,
    "PDF that is cut off": lambda: documents.pdf("text")[:120],
    "PDF with a password": lambda: documents.pdf(
        "text",
        trailer=b"/ID [<00> <00>] /Encrypt << /Filter /Standard /V 2 /R 3 /Length 128 /P -4 "
        b"/O <%s> /U <%s> >>" % (b"41" * 32, b"42" * 32),
    ),
    "50,000 x 50,000 pixels": documents.huge_png,
    "cut PNG": lambda: documents.image("PNG", (300, 300))[:-30],
    "PNG that is none": lambda: b"\x89PNG\r\n\x1a\n" + b"x" * 1000,
    "deeply nested page": lambda: b"<html>" + b"<div>" * 100_000,
    "too much text": lambda: b"text " * 500_000,
    "encrypted archive": lambda: documents.docx("a").replace(
        b"PK\x01\x02\x14\x03\x14\x00\x00", b"PK\x01\x02\x14\x03\x14\x00\x01"
    ),
}


@pytest.mark.parametrize("name", UNREADABLE)
def test_a_hostile_or_broken_file_is_unreadable(name: str) -> None:
    code, reason = refused(UNREADABLE[name]())
    assert code == "file_unreadable", reason


def test_an_endless_file_is_given_up(tmp_path) -> None:
    (tmp_path / "endless.pdf").write_bytes(endless_pdf())
    with (tmp_path / "endless.pdf").open("rb") as file, pytest.raises(PantheonError) as caught:
        convert(file, time_s=3.0)
    assert (caught.value.code, caught.value.details["reason"]) == ("file_unreadable", "too_slow")


def test_a_process_that_stops_waits_for_no_child(tmp_path) -> None:
    (tmp_path / "endless.pdf").write_bytes(endless_pdf())
    with (tmp_path / "endless.pdf").open("rb") as file, ThreadPoolExecutor(1) as thread:
        conversion = thread.submit(convert, file, time_s=300)
        while not conversion.done():
            children_end()
            wait([conversion], timeout=0.1)
        with pytest.raises(PantheonError) as caught:
            conversion.result()
    assert caught.value.code == "unavailable"


def test_nested_archives_are_not_opened() -> None:
    inner = documents.archive({"zeros": zeros(50_000_000)})
    found = converted(documents.docx("Only this", parts={"word/embeddings/inner.zip": inner}))
    assert found.text == "Only this"


def test_of_a_gif_only_the_first_frame_is_decoded() -> None:
    found = converted(documents.long_gif(10_000))
    assert (found.media_type, found.width, found.height) == ("image/png", 16, 16)


def test_a_polyglot_is_what_it_begins_as() -> None:
    """What follows is lost, as an image is written again."""
    both = (
        documents.image("GIF") + b"<html><script>alert(1)</script>" + documents.archive({"a.js": "alert(1)"})
    )
    assert b"alert" not in converted(both).image


def test_svg_is_text() -> None:
    svg = b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'
    assert (converted(svg).media_type, converted(svg).image) == ("application/xml", b"")


PROBE = """
import os, resource, socket, subprocess, sys
from sessions.files.converter.limits import process_confine
process_confine()
def tried(function):
    try:
        function()
    except (OSError, MemoryError, ValueError) as error:
        return type(error).__name__
    return "done"
print(sorted(set(os.environ) - {"LC_CTYPE"}), os.listdir("."))
print(tried(lambda: socket.create_connection(("127.0.0.1", 9))))
print(tried(lambda: subprocess.run(["true"])), tried(lambda: os.system("true")), tried(os.fork))
print(tried(lambda: open("x", "w")), tried(lambda: bytearray(600 * 2**20)))
"""


def test_the_child_has_nothing_of_ours(monkeypatch: pytest.MonkeyPatch, tmp_path) -> None:
    """What a file that takes over the child could do: nothing of use."""
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    monkeypatch.setenv("DATABASE_URL", "postgres://secret")
    with open(os.devnull, "rb") as nothing:
        process = child_start(nothing, str(tmp_path), program=("-c", PROBE))
    output, _ = process.communicate()
    assert output.decode().splitlines() == [
        "['HOME', 'LC_ALL', 'PYTHONDONTWRITEBYTECODE', 'PYTHONPATH', 'TMPDIR'] []",
        "PermissionError",
        "PermissionError PermissionError PermissionError",
        "PermissionError MemoryError",
    ]


def test_memory_is_bounded(tmp_path) -> None:
    """A file that unpacks to more than the limit ends the child, not the machine."""
    content = tmp_path / "bomb"
    content.write_bytes(documents.docx(*["text " * 1000] * 8_000))
    with content.open("rb") as file:
        process = child_start(file, str(tmp_path))
        largest = 0
        while process.poll() is None:
            try:
                largest = max(largest, psutil.Process(process.pid).memory_info().rss)
                process.wait(0.05)
            except (psutil.NoSuchProcess, subprocess.TimeoutExpired):
                continue
    assert process.stdout is not None
    assert largest < MEMORY_BYTES
    process.stdout.close()


def test_no_child_is_left(tmp_path) -> None:
    before = {child.pid for child in psutil.Process().children(recursive=True)}
    converted(b"text")
    refused(b"\0")
    assert {child.pid for child in psutil.Process().children(recursive=True)} <= before
    assert ROOT.joinpath("sessions").is_dir()
