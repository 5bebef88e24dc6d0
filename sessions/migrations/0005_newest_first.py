"""The newest turns, calls and messages first, as the administration lists them: without these it sorts the whole table."""

from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("chat_sessions", "0004_message_search"),
        ("orchestration", "0002_starter_catalogue"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AddIndex(
            model_name="call",
            index=models.Index(fields=["-started_at"], name="call_newest"),
        ),
        migrations.AddIndex(
            model_name="message",
            index=models.Index(fields=["-created_at"], name="message_newest"),
        ),
        migrations.AddIndex(
            model_name="turn",
            index=models.Index(fields=["-created_at"], name="turn_newest"),
        ),
    ]
