from __future__ import annotations

import uuid
from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone

from sessions.models.search_text import SearchTextField, SearchTextUpdates
from sessions.models.soft import OwnedQuerySet


class FileQuerySet(SearchTextUpdates, OwnedQuerySet):
    def with_text(self) -> FileQuerySet:
        """Load the extracted text too, which may have 2 MiB."""
        return self.defer(None).defer("search_text")


class FileManager(models.Manager.from_queryset(FileQuerySet)):  # type: ignore[misc]
    """Defers what most reads do not need: the extracted text, and search's text."""

    def get_queryset(self) -> FileQuerySet:
        files: FileQuerySet = super().get_queryset()
        return files.defer("text", "search_text")


class File(models.Model):
    """A document or image that a user uploaded. Its content is in the file storage, under its SHA-256.

    An image is stored as `sessions.files` made it: upright, without metadata, at most 2,048 pixels on the long side.
    `bytes` and `sha256` describe what is stored. A deleted file stays readable where a message brought it.
    """

    class Kind(models.TextChoices):
        IMAGE = "image"
        TEXT = "text"

    MAX_NAME_CHARS = 255

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="files")
    name = models.CharField(max_length=MAX_NAME_CHARS)
    search_text = SearchTextField(of="name", help_text="The name as search reads it.")
    media_type = models.CharField(max_length=100, help_text="Detected from the content, not the name.")
    kind = models.CharField(max_length=8, choices=Kind.choices)
    bytes = models.PositiveBigIntegerField()
    sha256 = models.CharField(max_length=64, help_text="Hexadecimal; the content's place in the storage.")
    text = models.TextField(blank=True, help_text="What agents read; empty for images.")
    text_bytes = models.PositiveIntegerField(default=0, db_default=0, help_text="Size of the text in UTF-8.")
    pages = models.PositiveIntegerField(null=True, blank=True, help_text="Pages, slides or sheets.")
    width = models.PositiveIntegerField(null=True, blank=True)
    height = models.PositiveIntegerField(null=True, blank=True)
    tokens = models.PositiveIntegerField(help_text="Estimate.")
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    deleted_at = models.DateTimeField(null=True, blank=True, editable=False)

    objects = FileManager()

    class Meta:
        ordering: ClassVar = ["-created_at", "id"]
        constraints: ClassVar = [
            models.CheckConstraint(name="file_not_empty", condition=Q(bytes__gt=0) & ~Q(name="")),
            models.CheckConstraint(
                name="file_image_has_size",
                condition=Q(kind="text", width__isnull=True, height__isnull=True)
                | Q(kind="image", width__gt=0, height__gt=0, text=""),
            ),
        ]
        indexes: ClassVar = [
            # The owner's list, and the sum of their bytes.
            models.Index(fields=["owner", "-created_at"], name="file_newest"),
            # Whether a content is still needed.
            models.Index(fields=["sha256"], name="file_content"),
        ]

    def __str__(self) -> str:
        # Shown in the administration, where the name must not be: people choose it.
        return f"file {self.pk}"


class MessageFile(models.Model):
    """A file that a user's message brought, in the order attached."""

    MOST_PER_MESSAGE: ClassVar = 10

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    message = models.ForeignKey(
        "chat_sessions.Message", on_delete=models.CASCADE, related_name="message_files", db_index=False
    )
    file = models.ForeignKey(File, on_delete=models.CASCADE, related_name="message_files", db_index=False)
    position = models.PositiveSmallIntegerField(help_text="From 0.")

    class Meta:
        ordering: ClassVar = ["message", "position"]
        constraints: ClassVar = [
            # Also the indexes of the foreign keys.
            models.UniqueConstraint(fields=["message", "position"], name="message_file_position_once"),
            models.UniqueConstraint(fields=["file", "message"], name="message_file_once"),
            models.CheckConstraint(name="message_file_position", condition=Q(position__lt=10)),
        ]

    def __str__(self) -> str:
        return f"file {self.file_id} at {self.position}"
