"""Read a file from standard input and write what agents get of it to standard output."""

from __future__ import annotations

import json
import sys

from sessions.files.converter.limits import process_confine
from sessions.files.converter.plain import cleaned, decoded, is_blank, text_type
from sessions.files.converter.results import MAX_TEXT_BYTES, Converted, NotConverted
from sessions.files.converter.sniffing import image_format, is_archive, is_html, is_pdf


def convert(content: bytes) -> Converted:
    """Return the file as agents get it. Raises NotConverted, and anything for a damaged file."""
    if not content:
        raise NotConverted("empty")
    if name := image_format(content):
        from sessions.files.converter.images import convert_image  # each format loads only its own library

        return convert_image(content, name)
    if is_pdf(content):
        from sessions.files.converter.pdf import convert_pdf

        return checked(convert_pdf(content), "scanned")
    if is_archive(content):
        from sessions.files.converter.packages import convert_package

        return checked(convert_package(content), "no_text")
    return checked(convert_text(content), "empty")


def convert_text(content: bytes) -> Converted:
    text = decoded(content)
    if len(text) <= MAX_TEXT_BYTES * 4 and is_html(text):
        from sessions.files.converter.web_pages import markdown_of_html

        return Converted("text/html", text=markdown_of_html(text))
    return Converted(text_type(text) if len(text) <= MAX_TEXT_BYTES else "text/plain", text=text)


def checked(converted: Converted, reason_if_blank: str) -> Converted:
    """Return the result with a clean text that is neither blank nor too long. Raises NotConverted."""
    text = cleaned(converted.text)
    if is_blank(text):
        raise NotConverted(reason_if_blank)
    if len(text.encode()) > MAX_TEXT_BYTES:
        raise NotConverted("too_long")
    return Converted(converted.media_type, text=text, pages=converted.pages)


def answer(content: bytes) -> tuple[dict[str, object], bytes]:
    """Return the head and the body of what this program writes."""
    try:
        result = convert(content)
    except NotConverted as error:
        return {"refused": error.reason}, b""
    except (MemoryError, RecursionError):
        return {"refused": "too_large"}, b""
    except Exception:  # noqa: BLE001  (whatever a library raises for a damaged file)
        return {"refused": "damaged"}, b""
    body = result.image or result.text.encode()
    head = {"media_type": result.media_type, "is_image": bool(result.image), "bytes": len(body)}
    return {**head, "pages": result.pages, "width": result.width, "height": result.height}, body


def main() -> None:
    process_confine()
    head, body = answer(sys.stdin.buffer.read())
    output = sys.stdout.buffer
    output.write(json.dumps(head).encode() + b"\n")
    output.write(body)
    output.flush()


if __name__ == "__main__":
    main()
