"""Texts that were cut, a room's switch for cutting, and why a summary is a fallback."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("chat_sessions", "0013_reasoning_effort"),
    ]

    operations = [
        migrations.AddField(
            model_name="call",
            name="cut_text",
            field=models.TextField(
                blank=True,
                db_default="",
                default="",
                help_text="What the answer said from where it was cut, as it went on as another member. Stays.",
            ),
        ),
        migrations.AddField(
            model_name="room",
            name="speaker_guard",
            field=models.BooleanField(
                db_default=True, default=True, help_text="Cut answers where they go on as another member."
            ),
        ),
        migrations.AddField(
            model_name="summary",
            name="fallback_reason",
            field=models.CharField(
                blank=True,
                db_default="",
                default="",
                help_text="Why the summarizer's answer could not be used.",
                max_length=16,
            ),
        ),
    ]
