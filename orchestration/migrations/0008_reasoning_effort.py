"""The reasoning efforts of a model: its default, and those that it offers."""

from django.db import migrations, models

import orchestration.models


class Migration(migrations.Migration):
    dependencies = [
        ("orchestration", "0007_name_in_answers"),
    ]

    operations = [
        migrations.AddField(
            model_name="llmmodel",
            name="reasoning_effort",
            field=models.CharField(
                blank=True,
                choices=orchestration.models.effort_choices,
                db_default="",
                default="",
                help_text="For agents that set no other, managers and summarizers. Empty: none is sent.",
                max_length=16,
                verbose_name="reasoning effort",
            ),
        ),
        migrations.AddField(
            model_name="llmmodel",
            name="reasoning_efforts",
            field=models.JSONField(
                blank=True,
                db_default=models.Value([], models.JSONField()),
                default=list,
                help_text="Those that the model offers: if another is asked for, the nearest is sent. None ticked: not known.",
                validators=[orchestration.models.validate_efforts],
                verbose_name="reasoning efforts",
            ),
        ),
    ]
