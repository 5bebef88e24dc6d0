"""The name that a provider gives a model in its answers."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("orchestration", "0006_prompt_caching"),
    ]

    operations = [
        migrations.AddField(
            model_name="llmmodel",
            name="served_as",
            field=models.CharField(
                blank=True,
                db_default="",
                default="",
                help_text="What the provider calls the model in its answers, if not the model ID: the model behind a deployment of Azure or an alias of a gateway. Prices are looked up by it, too.",
                max_length=200,
                verbose_name="model name in answers",
            ),
        ),
    ]
