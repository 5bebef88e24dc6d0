"""Files that users upload, and the messages that bring them."""

import uuid

import django.db.models.deletion
import django.utils.timezone
from django.conf import settings
from django.db import migrations, models

import sessions.models.search_text


class Migration(migrations.Migration):
    dependencies = [
        ("chat_sessions", "0018_session_pins"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="File",
            fields=[
                (
                    "id",
                    models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False),
                ),
                ("name", models.CharField(max_length=255)),
                (
                    "search_text",
                    sessions.models.search_text.SearchTextField(
                        blank=True,
                        db_default="",
                        editable=False,
                        help_text="The name as search reads it.",
                        of="name",
                    ),
                ),
                (
                    "media_type",
                    models.CharField(help_text="Detected from the content, not the name.", max_length=100),
                ),
                ("kind", models.CharField(choices=[("image", "Image"), ("text", "Text")], max_length=8)),
                ("bytes", models.PositiveBigIntegerField()),
                (
                    "sha256",
                    models.CharField(
                        help_text="Hexadecimal; the content's place in the storage.", max_length=64
                    ),
                ),
                ("text", models.TextField(blank=True, help_text="What agents read; empty for images.")),
                (
                    "pages",
                    models.PositiveIntegerField(blank=True, help_text="Pages, slides or sheets.", null=True),
                ),
                ("width", models.PositiveIntegerField(blank=True, null=True)),
                ("height", models.PositiveIntegerField(blank=True, null=True)),
                ("tokens", models.PositiveIntegerField(help_text="Estimate.")),
                ("created_at", models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                ("deleted_at", models.DateTimeField(blank=True, editable=False, null=True)),
                (
                    "owner",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="files",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "ordering": ["-created_at", "id"],
            },
        ),
        migrations.CreateModel(
            name="MessageFile",
            fields=[
                (
                    "id",
                    models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False),
                ),
                ("position", models.PositiveSmallIntegerField(help_text="From 0.")),
                (
                    "file",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="message_files",
                        to="chat_sessions.file",
                    ),
                ),
                (
                    "message",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="message_files",
                        to="chat_sessions.message",
                    ),
                ),
            ],
            options={
                "ordering": ["message", "position"],
            },
        ),
        migrations.AddIndex(
            model_name="file",
            index=models.Index(fields=["owner", "-created_at"], name="file_newest"),
        ),
        migrations.AddIndex(
            model_name="file",
            index=models.Index(fields=["sha256"], name="file_content"),
        ),
        migrations.AddConstraint(
            model_name="file",
            constraint=models.CheckConstraint(
                condition=models.Q(("bytes__gt", 0), models.Q(("name", ""), _negated=True)),
                name="file_not_empty",
            ),
        ),
        migrations.AddConstraint(
            model_name="file",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("height__isnull", True), ("kind", "text"), ("width__isnull", True)),
                    models.Q(("height__gt", 0), ("kind", "image"), ("text", ""), ("width__gt", 0)),
                    _connector="OR",
                ),
                name="file_image_has_size",
            ),
        ),
        migrations.AddConstraint(
            model_name="messagefile",
            constraint=models.UniqueConstraint(
                fields=("message", "position"), name="message_file_position_once"
            ),
        ),
        migrations.AddConstraint(
            model_name="messagefile",
            constraint=models.UniqueConstraint(fields=("file", "message"), name="message_file_once"),
        ),
        migrations.AddConstraint(
            model_name="messagefile",
            constraint=models.CheckConstraint(
                condition=models.Q(("position__lt", 10)), name="message_file_position"
            ),
        ),
    ]
