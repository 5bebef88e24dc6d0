"""Whether a model's provider is asked to cache prompts."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("orchestration", "0005_unsupported_fields"),
    ]

    operations = [
        migrations.AddField(
            model_name="llmmodel",
            name="prompt_caching",
            field=models.BooleanField(
                db_default=True,
                default=True,
                help_text="Ask the provider to cache the beginning of prompts, which repeats from turn to turn.",
                verbose_name="prompt caching",
            ),
        ),
    ]
