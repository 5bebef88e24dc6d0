"""Choices of modes are read from the table, so that a new mode takes no migration. This one runs no SQL."""

from django.db import migrations, models

import sessions.models.modes


class Migration(migrations.Migration):
    dependencies = [
        ("chat_sessions", "0009_call_of_model_index"),
    ]

    operations = [
        migrations.AlterField(
            model_name="room",
            name="mode",
            field=models.CharField(choices=sessions.models.modes.room_modes, default="manual", max_length=16),
        ),
        migrations.AlterField(
            model_name="turn",
            name="mode",
            field=models.CharField(choices=sessions.models.modes.turn_modes, max_length=16),
        ),
    ]
