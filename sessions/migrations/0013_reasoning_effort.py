"""The reasoning effort of an agent, and the one that was sent with a call."""

from django.db import migrations, models

import orchestration.models


class Migration(migrations.Migration):
    dependencies = [
        ("chat_sessions", "0012_failed_calls_index"),
    ]

    operations = [
        migrations.AddField(
            model_name="agent",
            name="reasoning_effort",
            field=models.CharField(
                blank=True,
                choices=orchestration.models.effort_choices,
                db_default="",
                default="",
                help_text="Empty: the model's own.",
                max_length=16,
            ),
        ),
        migrations.AddField(
            model_name="call",
            name="reasoning_effort",
            field=models.CharField(
                blank=True,
                choices=orchestration.models.effort_choices,
                db_default="",
                default="",
                help_text="The effort that was sent.",
                max_length=16,
            ),
        ),
    ]
