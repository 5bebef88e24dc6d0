"""Names and help texts of fields in our words. No table changes."""

import uuid

import django.core.validators
import django.db.models.deletion
from django.db import migrations, models

import orchestration.models


class Migration(migrations.Migration):
    dependencies = [
        ("chat_sessions", "0019_files"),
        ("orchestration", "0013_field_words"),
    ]

    operations = [
        migrations.AlterField(
            model_name="agent",
            name="id",
            field=models.UUIDField(
                default=uuid.uuid4, editable=False, primary_key=True, serialize=False, verbose_name="ID"
            ),
        ),
        migrations.AlterField(
            model_name="agent",
            name="key",
            field=models.CharField(
                help_text="Mentions use it: @handle.",
                max_length=64,
                validators=[
                    django.core.validators.RegexValidator(
                        "\\A[a-z0-9_-]{1,64}\\Z", "Use 1 to 64 of a-z, 0-9, _ and -."
                    )
                ],
                verbose_name="handle",
            ),
        ),
        migrations.AlterField(
            model_name="agent",
            name="model",
            field=models.ForeignKey(
                blank=True,
                help_text="Defaults to the server's default model.",
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="orchestration.llmmodel",
            ),
        ),
        migrations.AlterField(
            model_name="agent",
            name="reasoning_effort",
            field=models.CharField(
                blank=True,
                choices=orchestration.models.effort_choices,
                db_default="",
                default="",
                help_text="Defaults to the model's effort.",
                max_length=16,
            ),
        ),
        migrations.AlterField(
            model_name="call",
            name="agent_id",
            field=models.UUIDField(blank=True, null=True, verbose_name="agent ID"),
        ),
        migrations.AlterField(
            model_name="call",
            name="agent_key",
            field=models.CharField(blank=True, max_length=64, verbose_name="handle"),
        ),
        migrations.AlterField(
            model_name="call",
            name="id",
            field=models.UUIDField(
                default=uuid.uuid4, editable=False, primary_key=True, serialize=False, verbose_name="ID"
            ),
        ),
        migrations.AlterField(
            model_name="call",
            name="model_served",
            field=models.CharField(blank=True, max_length=200, verbose_name="served model"),
        ),
        migrations.AlterField(
            model_name="call",
            name="provider_request_id",
            field=models.CharField(blank=True, max_length=200, verbose_name="provider's request ID"),
        ),
        migrations.AlterField(
            model_name="call",
            name="status",
            field=models.CharField(
                choices=[
                    ("started", "Started"),
                    ("ok", "OK"),
                    ("failed", "Failed"),
                    ("cancelled", "Cancelled"),
                    ("interrupted", "Interrupted"),
                ],
                default="started",
                max_length=16,
            ),
        ),
        migrations.AlterField(
            model_name="call",
            name="step_id",
            field=models.UUIDField(verbose_name="step ID"),
        ),
        migrations.AlterField(
            model_name="chatsession",
            name="id",
            field=models.UUIDField(
                default=uuid.uuid4, editable=False, primary_key=True, serialize=False, verbose_name="ID"
            ),
        ),
        migrations.AlterField(
            model_name="chatsession",
            name="origin",
            field=models.CharField(
                choices=[
                    ("opened", "Opened in a room or with an agent"),
                    ("api", "Created by a request to the OpenAI-compatible endpoint"),
                ],
                default="opened",
                editable=False,
                max_length=16,
            ),
        ),
        migrations.AlterField(
            model_name="message",
            name="agent_id",
            field=models.UUIDField(blank=True, null=True, verbose_name="agent ID"),
        ),
        migrations.AlterField(
            model_name="message",
            name="agent_key",
            field=models.CharField(blank=True, max_length=64, verbose_name="handle"),
        ),
        migrations.AlterField(
            model_name="message",
            name="id",
            field=models.UUIDField(
                default=uuid.uuid4, editable=False, primary_key=True, serialize=False, verbose_name="ID"
            ),
        ),
        migrations.AlterField(
            model_name="message",
            name="seq",
            field=models.PositiveIntegerField(
                help_text="Order within the session, from 1.", verbose_name="number"
            ),
        ),
        migrations.AlterField(
            model_name="room",
            name="id",
            field=models.UUIDField(
                default=uuid.uuid4, editable=False, primary_key=True, serialize=False, verbose_name="ID"
            ),
        ),
        migrations.AlterField(
            model_name="summary",
            name="from_seq",
            field=models.PositiveIntegerField(verbose_name="first message"),
        ),
        migrations.AlterField(
            model_name="summary",
            name="id",
            field=models.UUIDField(
                default=uuid.uuid4, editable=False, primary_key=True, serialize=False, verbose_name="ID"
            ),
        ),
        migrations.AlterField(
            model_name="summary",
            name="through_seq",
            field=models.PositiveIntegerField(
                help_text="The last message that this and earlier summaries cover.",
                verbose_name="last message",
            ),
        ),
        migrations.AlterField(
            model_name="turn",
            name="id",
            field=models.UUIDField(
                default=uuid.uuid4, editable=False, primary_key=True, serialize=False, verbose_name="ID"
            ),
        ),
        migrations.AlterField(
            model_name="turn",
            name="index",
            field=models.PositiveIntegerField(
                blank=True,
                help_text="Order within the session. Turns that only summarize have none.",
                null=True,
                verbose_name="number",
            ),
        ),
    ]
