"""Files that are sent while they are read."""

from __future__ import annotations

from collections.abc import Iterator

from django.http import HttpResponse, HttpResponseBase, StreamingHttpResponse

from billing.reports.export import stream


def download(method: str | None, pieces: Iterator[str], content_type: str, name: str) -> HttpResponseBase:
    """Return a file of a length that nobody knows before its end; an error on the way breaks the connection."""
    headers = {
        "Content-Type": f"{content_type}; charset=utf-8",
        "Content-Disposition": f'attachment; filename="{name}"',
        "Cache-Control": "no-store",
        "X-Accel-Buffering": "no",
    }
    # Whoever asks for the headers alone does not wait for the end.
    return (
        HttpResponse(headers=headers)
        if method == "HEAD"
        else StreamingHttpResponse(stream(pieces), headers=headers)
    )
