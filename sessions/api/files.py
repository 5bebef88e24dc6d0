"""API: files. POST uploads and converts one; what is stored is never served as a page."""

from __future__ import annotations

from collections.abc import Awaitable
from functools import partial
from typing import Any, BinaryIO

from django.http import HttpRequest, HttpResponseBase
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import inline_serializer
from rest_framework import serializers
from rest_framework.generics import GenericAPIView
from rest_framework.parsers import MultiPartParser
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.access import signed_in
from accounts.models import ApiToken, User
from accounts.throttling import UPLOAD_THROTTLES
from sessions.access import access_file, access_own_file
from sessions.api.base import AsyncAPIView
from sessions.api.uploads import OneFileHandler, uploaded_file
from sessions.downloads import content_response, text_response
from sessions.files.queue import conversions
from sessions.live.database import read_in_request
from sessions.models import File
from sessions.selectors.file_shapes import FileShape
from sessions.services.files import file_add, file_delete, quota_check
from web.api.schema import PAGE, operation, page_of
from web.errors import NotFound

UPLOAD = inline_serializer(
    "Upload", {"file": serializers.FileField(help_text="The file. Its type is detected from its content.")}
)


class FilesView(AsyncAPIView, GenericAPIView[File]):
    """My files, without deleted ones; POST uploads one."""

    write_scope = ApiToken.Scope.CHAT
    parser_classes = [MultiPartParser]

    def throttles_of_request(self) -> list[Any]:
        if self.request.method == "POST":
            return [throttle() for throttle in UPLOAD_THROTTLES]
        return super().throttles_of_request()

    def initialize_request(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Request:
        # Before anything reads the body: checking the CSRF token does.
        request.upload_handlers = [OneFileHandler(request)]
        return super().initialize_request(request, *args, **kwargs)

    @operation(
        "List my files",
        parameters=PAGE,
        answers=page_of("FilePage", FileShape),
        operation_id="api_v1_files_list",
    )
    def get(self, request: Request) -> Response:
        page = self.paginate_queryset(File.objects.of(signed_in(request)))
        return self.get_paginated_response(FileShape.render_all(page or []))

    @operation(
        "Upload a file",
        request={"multipart/form-data": UPLOAD},
        answers={201: FileShape},
        errors=["unsupported_file", "file_unreadable", "file_quota_exceeded"],
    )
    def post(self, request: Request) -> Awaitable[HttpResponseBase]:
        name, content = uploaded_file(request)
        quota_check(signed_in(request))
        return self._convert(signed_in(request), name, content)

    async def _convert(self, owner: User, name: str, content: BinaryIO) -> HttpResponseBase:
        converted = await conversions.run_aside(content, owner.pk)
        add = partial(file_add, owner=owner, name=name, content=content, converted=converted)
        file = await read_in_request(add)
        return Response(FileShape.render(file), status=201, headers={"Location": f"/api/v1/files/{file.pk}"})


class FileView(AsyncAPIView):
    """A file of mine, or one in a message that I can read."""

    write_scope = ApiToken.Scope.CHAT

    @operation("Read a file's description", answers=FileShape)
    def get(self, request: Request, file_id: str) -> Response:
        return Response(FileShape.render(access_file(signed_in(request), file_id)))

    @operation("Delete a file; messages keep it", answers={204: None})
    def delete(self, request: Request, file_id: str) -> Response:
        file_delete(file=access_own_file(signed_in(request), file_id))
        return Response(status=204)


class FileContentView(AsyncAPIView):
    """The original; of an image, what was made of it. Images are shown inline, all else is an attachment."""

    @operation("Download a file", answers={(200, "application/octet-stream"): OpenApiTypes.BINARY})
    def get(self, request: Request, file_id: str) -> HttpResponseBase:
        file = access_file(signed_in(request), file_id)
        return content_response(request._request, file)


class FileTextView(AsyncAPIView):
    """What agents read of a document. An image has no text: 404."""

    @operation("Read a file's text", answers={(200, "text/plain"): OpenApiTypes.STR})
    def get(self, request: Request, file_id: str) -> HttpResponseBase:
        file = access_file(signed_in(request), file_id)
        if file.kind != File.Kind.TEXT:
            raise NotFound("An image has no text: agents see the image.")
        return text_response(file)
