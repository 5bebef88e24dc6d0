"""An index for the last failed calls of a model."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("chat_sessions", "0011_session_title_words"),
    ]

    operations = [
        migrations.AddIndex(
            model_name="call",
            index=models.Index(
                condition=models.Q(("status", "failed")), fields=["model", "-started_at"], name="call_failed"
            ),
        ),
    ]
