"""Whether a model takes images."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("orchestration", "0010_successful_test"),
    ]

    operations = [
        migrations.AddField(
            model_name="llmmodel",
            name="vision",
            field=models.BooleanField(
                db_default=False,
                default=False,
                help_text="Other models get a line with the name of each image instead.",
                verbose_name="takes images",
            ),
        ),
    ]
