"""Pinned sessions, and when their owners last looked at them: sessions from before have been seen."""

import django.db.models.functions.datetime
import django.utils.timezone
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("chat_sessions", "0017_search_index"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AddField(
            model_name="chatsession",
            name="pinned_at",
            field=models.DateTimeField(
                blank=True,
                editable=False,
                help_text="Since when it stands on top of the owner's list.",
                null=True,
            ),
        ),
        migrations.AddField(
            model_name="chatsession",
            name="seen_at",
            field=models.DateTimeField(
                db_default=django.db.models.functions.datetime.Now(),
                default=django.utils.timezone.now,
                editable=False,
                help_text="The owner's last look: what is newer is unread.",
            ),
        ),
        migrations.AddIndex(
            model_name="chatsession",
            index=models.Index(
                condition=models.Q(("pinned_at__isnull", False)),
                fields=["owner", "-pinned_at"],
                name="session_pinned",
            ),
        ),
    ]
