"""Choices of purposes are read from the table, so that a new purpose takes no migration. This one runs no SQL."""

from django.db import migrations, models

import orchestration.engine.purposes


class Migration(migrations.Migration):
    dependencies = [
        ("billing", "0012_erasing_names"),
    ]

    operations = [
        migrations.AlterField(
            model_name="usageevent",
            name="purpose",
            field=models.CharField(choices=orchestration.engine.purposes.purpose_choices, max_length=16),
        ),
    ]
