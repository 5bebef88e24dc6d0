"""What agents get of a file: each format, in the real child process."""

from __future__ import annotations

import io
import tempfile
from collections.abc import Callable
from typing import Any

import pytest
from PIL import Image

from sessions.files.conversion import convert
from sessions.files.converter.results import Converted
from sessions.tests.support import documents
from web.errors import PantheonError


def converted(content: bytes) -> Converted:
    with tempfile.TemporaryFile() as file:
        file.write(content)
        file.flush()
        return convert(file)


def refused(content: bytes) -> tuple[str, str]:
    """Return the code and the reason of a refusal."""
    with pytest.raises(PantheonError) as caught:
        converted(content)
    error = caught.value
    assert error.http_status == 422
    assert error.message.endswith(".")
    return error.code, error.details["reason"]


@pytest.mark.parametrize(
    ("content", "text", "media_type"),
    [
        ("Grüße – 10 €\r\nund mehr".encode(), "Grüße – 10 €\nund mehr", "text/plain"),
        ("\ufeffname;age\nJörg;41\n".encode(), "name;age\nJörg;41\n", "text/csv"),
        ("name;age\nJörg;41\n".encode("latin-1"), "name;age\nJörg;41\n", "text/csv"),
        ("“10 €”".encode("cp1252"), "“10 €”", "text/plain"),
        ("Grüße".encode("utf-16"), "Grüße", "text/plain"),
        ("Grüße aus Köln".encode("utf-16-be"), "Grüße aus Köln", "text/plain"),
        (b'{"a": [1, 2]}', '{"a": [1, 2]}', "application/json"),
        (b"<?xml version='1.0'?><a>1</a>", "<?xml version='1.0'?><a>1</a>", "application/xml"),
        (b"<svg onload='alert(1)'/>", "<svg onload='alert(1)'/>", "application/xml"),
        (b"def f():\n\treturn 1\n", "def f():\n\treturn 1\n", "text/plain"),
    ],
)
def test_text_is_decoded(content: bytes, text: str, media_type: str) -> None:
    assert converted(content) == Converted(media_type, text=text)


def test_many_comments_are_read_one_by_one() -> None:
    comments = b"<!---->" * 580
    assert converted(comments).media_type == "text/plain"
    assert converted(comments + b"<html><p>The rent.</p>") == Converted("text/html", text="The rent.")


def test_a_pdf_is_its_pages() -> None:
    assert converted(documents.pdf("The rent is due.", "The end.")) == Converted(
        "application/pdf", text="[Page 1]\n\nThe rent is due.\n\n[Page 2]\n\nThe end.", pages=2
    )


def test_a_word_document_is_markdown() -> None:
    found = converted(documents.docx("The rent &amp; more", "A_b *c*"))
    assert found.text == "The rent & more\n\nA_b \\*c\\*"
    assert found.media_type.endswith("wordprocessingml.document")


def test_sheets_are_tables() -> None:
    found = converted(documents.xlsx(Rent=[["Month", "USD"], ["May", 1200.5], [], ["a|b"]], Empty=[]))
    assert found.text == (
        "## Rent\n\n| Month | USD |\n| --- | --- |\n| May | 1200.5 |\n| a\\|b |\n\n## Empty"
    )
    assert found.pages == 2


def test_slides_have_their_texts_and_notes() -> None:
    found = converted(documents.pptx(("Plan", "Grow"), ("Risk", "Fire")))
    assert found.text == (
        "## Slide 1\n\nPlan\n\nGrow\n\nNotes: About Plan\n\n## Slide 2\n\nRisk\n\nFire\n\nNotes: About Risk"
    )
    assert found.pages == 2


def test_a_book_is_read_in_its_order() -> None:
    assert converted(documents.epub("Last", "First")).text == "# First\n\n# Last"


def test_a_page_loses_its_scripts_and_keeps_its_links() -> None:
    page = (
        b"<!-- saved -->\n<!DOCTYPE html><html><head><title>Lease</title><style>p {}</style></head><body>"
        b"<script>alert(1)</script><p onclick='x()'>See <a href='https://e.org/'>this</a>, <a href='javascript:x()'>"
        b"that</a> and <img src='https://e.org/pixel' alt='a plan'>.</p><iframe src='https://e.org'></iframe></body>"
    )
    found = converted(page)
    assert found.media_type == "text/html"
    assert found.text == "# Lease\n\nSee [this](https://e.org/), that and [Image: a plan]."


@pytest.mark.parametrize(
    ("image_format", "stored"), [("PNG", "PNG"), ("JPEG", "JPEG"), ("WEBP", "WEBP"), ("GIF", "PNG")]
)
def test_images_are_stored_without_metadata(image_format: str, stored: str) -> None:
    exif = Image.Exif()
    exif[0x010F] = "SecretCamera"
    options: dict[str, Any] = {} if image_format == "GIF" else {"exif": exif}
    content = documents.image(image_format, comment=b"SecretCamera", **options)
    assert b"SecretCamera" in content or image_format == "PNG"
    found = converted(content)
    assert (found.media_type, found.width, found.height) == (f"image/{stored.lower()}", 40, 20)
    assert b"SecretCamera" not in found.image
    picture = Image.open(io.BytesIO(found.image))
    assert (picture.format, picture.size, dict(picture.getexif())) == (stored, (40, 20), {})


def test_a_photo_is_turned_upright_and_scaled() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was held upright: turn it by 90 degrees
    found = converted(documents.image("JPEG", (4000, 2000), exif=exif))
    assert (found.width, found.height) == (1024, 2048)
    picture = Image.open(io.BytesIO(found.image)).convert("RGB")
    pixels: Any = picture.load()
    top, bottom = pixels[500, 100], pixels[500, 1900]
    assert (top[0] > 200, bottom[2] > 200) == (True, True)  # red was left, and is above


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "I;16", "CMYK", "RGBA"])
def test_images_of_every_colour_mode_are_taken(mode: str) -> None:
    found = converted(documents.image("JPEG" if mode == "CMYK" else "PNG", (10, 10), mode))
    assert (found.width, found.height) == (10, 10)


@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
def test_a_large_image_fits_into_what_providers_take(mode: str) -> None:
    found = converted(documents.noise(1800, 1800, mode))
    assert len(found.image) < 3_750_000
    assert found.media_type == "image/jpeg"


UNSUPPORTED: dict[str, tuple[Callable[[], bytes], str]] = {
    "empty": (lambda: b"", "empty"),
    "blank": (lambda: b" \n\t ", "empty"),
    "nul": (lambda: b"text\0text", "type"),
    "controls": (lambda: b"a" * 90 + b"\x01\x02", "type"),
    "program": (lambda: b"\x7fELF" + bytes(range(256)) * 10, "type"),
    "archive": (lambda: documents.archive({"a.txt": "text"}), "type"),
    "scanned": (lambda: documents.pdf("", ""), "scanned"),
    "wordless": (lambda: documents.docx(""), "no_text"),
    "heic": (lambda: b"\0\0\0\x18ftypheic" + bytes(100), "type"),
}


@pytest.mark.parametrize("name", UNSUPPORTED)
def test_what_agents_cannot_read_is_unsupported(name: str) -> None:
    make, reason = UNSUPPORTED[name]
    assert refused(make()) == ("unsupported_file", reason)
