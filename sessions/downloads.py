"""Streamed file downloads."""

from __future__ import annotations

from collections.abc import Iterator

from django.http import HttpResponse, HttpResponseBase, StreamingHttpResponse

from billing.reports.export import stream


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
