"""Pages: the files of a person, and the space that they take."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render

from accounts.pages.base import PageView
from sessions.access import access_own_file
from sessions.pages.file_chips import MIB, FileChip, chip_of, size_text
from sessions.selectors.files import FILES_LISTED, list_files, space_used
from sessions.services.files import file_delete


@dataclass(frozen=True, slots=True)
class FileRow:
    chip: FileChip
    created_at: dt.datetime
    messages: int
    """How many messages brought it."""


class FilesPage(PageView):
    def get(self, request: HttpRequest) -> HttpResponse:
        files = list_files(self.user)
        used, limit = space_used(self.user), settings.PANTHEON_FILES_PER_USER_MIB * MIB
        context = {
            "rows": [FileRow(chip_of(file), file.created_at, file.messages) for file in files.shown],
            "most": FILES_LISTED if files.more else None,
            "used": used,
            "used_text": size_text(used),
            "limit": limit,
            "limit_text": size_text(limit),
            "kept_days": settings.PANTHEON_PURGE_AFTER_DAYS,
        }
        return render(request, "pages/files.html", context)


class FileDeleteView(PageView):
    def post(self, request: HttpRequest, file_id: str) -> HttpResponse:
        file = access_own_file(self.user, file_id)
        file_delete(file=file)
        messages.success(request, f"“{file.name}” was deleted.")
        return redirect("files")
