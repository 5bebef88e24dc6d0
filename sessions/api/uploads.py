"""Receive one file of a multipart body on disk, whatever the body claims."""

from __future__ import annotations

import tempfile
from typing import Any, BinaryIO

from django.conf import settings
from django.core.files.uploadedfile import UploadedFile
from django.core.files.uploadhandler import FileUploadHandler, SkipFile
from rest_framework.exceptions import ParseError, UnsupportedMediaType
from rest_framework.request import Request

from web.errors import PantheonError, ValidationFailed

FIELD = "file"
MIB = 1024 * 1024
MULTIPART_BYTES = 64 * 1024
"""Room for what surrounds the file in a body."""


def max_file_bytes() -> int:
    maximum: int = settings.PANTHEON_FILE_MAX_MIB * MIB
    return maximum


class OneFileHandler(FileUploadHandler):
    """Write the file to disk as it is parsed. Raises `payload_too_large`, and ValidationFailed for a second file.

    The temporary file has no name, unlike Django's: nothing is left of it if this process is killed.
    """

    received = 0
    files = 0

    def new_file(self, field_name: str, *args: Any, **kwargs: Any) -> None:
        if field_name != FIELD:
            raise SkipFile
        self.files += 1
        if self.files > 1:
            raise ValidationFailed({FIELD: ["Send one file per request."]})
        super().new_file(field_name, *args, **kwargs)
        self.file = tempfile.TemporaryFile()  # noqa: SIM115  (closed with the upload)

    def receive_data_chunk(self, raw_data: bytes, start: int) -> None:
        self.received += len(raw_data)
        if self.received > max_file_bytes():
            raise too_large()
        self.file.write(raw_data)

    def file_complete(self, file_size: int) -> UploadedFile:
        self.file.seek(0)
        return UploadedFile(self.file, self.file_name, self.content_type, file_size, self.charset)

    def upload_interrupted(self) -> None:
        if self.files:
            self.file.close()


def too_large() -> PantheonError:
    return PantheonError(
        "payload_too_large",
        f"Files are limited to {settings.PANTHEON_FILE_MAX_MIB} MiB.",
        {"limit_bytes": max_file_bytes()},
    )


def uploaded_file(request: Request) -> tuple[str, BinaryIO]:
    """Return the name and the content of the body's file. Raises ValidationFailed if there is none."""
    try:
        upload = request.FILES.get(FIELD)
    except (ParseError, UnsupportedMediaType):
        upload = None
    if not isinstance(upload, UploadedFile):
        raise ValidationFailed(
            {FIELD: ["Send a multipart/form-data body with the file in the field `file`."]}
        )
    content: Any = upload.file
    return upload.name or "", content
