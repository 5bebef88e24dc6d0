"""Streamed downloads, and what people uploaded: never a page, whatever it is."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import BinaryIO

from asgiref.sync import sync_to_async
from django.http import HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.utils.cache import get_conditional_response
from django.utils.http import content_disposition_header

from billing.reports.export import stream
from sessions.files.storage import content_open
from sessions.models import File
from web.errors import NotFound

PIECE_BYTES = 64 * 1024

SANDBOX = {
    "Content-Security-Policy": "sandbox; default-src 'none'",
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "private, no-cache",
}
"""Headers of all that people uploaded: a browser must not run it."""


def download(method: str | None, pieces: Iterator[str], content_type: str, name: str) -> HttpResponseBase:
    """Return a streamed file of unknown length; an error while streaming breaks the connection."""
    headers = {
        "Content-Type": f"{content_type}; charset=utf-8",
        "Content-Disposition": f'attachment; filename="{name}"',
        "Cache-Control": "no-store",
        "X-Accel-Buffering": "no",
    }
    # A HEAD request must not wait for the whole file to be generated.
    return (
        HttpResponse(headers=headers)
        if method == "HEAD"
        else StreamingHttpResponse(stream(pieces), headers=headers)
    )


def content_response(request: HttpRequest, file: File) -> HttpResponseBase:
    """Return a file's content: an image inline, all else as an attachment. Raises NotFound if the storage lost it."""
    headers = SANDBOX | {"ETag": f'"{file.sha256}"'}
    if unchanged := get_conditional_response(request, etag=headers["ETag"]):
        for name, value in headers.items():
            unchanged[name] = value
        return unchanged
    is_image = file.kind == File.Kind.IMAGE
    headers |= {
        "Content-Type": file.media_type if is_image else "application/octet-stream",
        "Content-Disposition": content_disposition_header(not is_image, file.name) or "attachment",
    }
    if request.method == "HEAD":
        return HttpResponse(headers=headers | {"Content-Length": str(file.bytes)})
    try:
        content = content_open(file.sha256)
    except FileNotFoundError as error:
        raise NotFound("The content of this file is missing in the storage.") from error
    headers["Content-Length"] = str(file.bytes)
    return StreamingHttpResponse(pieces_of_content(content), headers=headers)


async def pieces_of_content(content: BinaryIO) -> AsyncIterator[bytes]:
    """Yield a content; no thread waits while the client reads."""
    try:
        while piece := await sync_to_async(content.read)(PIECE_BYTES):
            yield piece
    finally:
        content.close()


def text_response(file: File) -> HttpResponse:
    """Return what agents read of a document."""
    return HttpResponse(file.text, content_type="text/plain; charset=utf-8", headers=SANDBOX)
