"""Names and help texts of fields in our words. No table changes."""

import django.core.validators
from django.db import migrations, models

import orchestration.models


class Migration(migrations.Migration):
    dependencies = [
        ("orchestration", "0012_starter_vision"),
    ]

    operations = [
        migrations.AlterField(
            model_name="llmmodel",
            name="alias",
            field=models.CharField(
                help_text="The name that users choose. Letters, digits and . _ : / - only.",
                max_length=120,
                unique=True,
                validators=[
                    django.core.validators.RegexValidator(
                        "\\A[A-Za-z0-9][A-Za-z0-9._:/-]*\\Z", "Use letters, digits and . _ : / - only."
                    )
                ],
            ),
        ),
        migrations.AlterField(
            model_name="llmmodel",
            name="context_window",
            field=models.PositiveIntegerField(
                help_text="Tokens per request, input and output together.",
                validators=[django.core.validators.MinValueValidator(1024)],
            ),
        ),
        migrations.AlterField(
            model_name="llmmodel",
            name="first_token_timeout_s",
            field=models.PositiveIntegerField(
                blank=True,
                help_text="Seconds to wait for the first token. Defaults to PANTHEON_PROVIDER_FIRST_TOKEN_TIMEOUT_S.",
                null=True,
                validators=[django.core.validators.MinValueValidator(1)],
                verbose_name="first-token timeout",
            ),
        ),
        migrations.AlterField(
            model_name="llmmodel",
            name="json_schema",
            field=models.BooleanField(default=True, verbose_name="structured output"),
        ),
        migrations.AlterField(
            model_name="llmmodel",
            name="max_output_tokens",
            field=models.PositiveIntegerField(
                help_text="Tokens per answer.", validators=[django.core.validators.MinValueValidator(16)]
            ),
        ),
        migrations.AlterField(
            model_name="llmmodel",
            name="model_id",
            field=models.CharField(
                help_text="The provider's name for the model, such as gpt-5-mini.",
                max_length=200,
                verbose_name="model ID",
            ),
        ),
        migrations.AlterField(
            model_name="llmmodel",
            name="position",
            field=models.PositiveIntegerField(
                default=100,
                help_text="The provider's lowest number is its default model.",
                verbose_name="sort order",
            ),
        ),
        migrations.AlterField(
            model_name="llmmodel",
            name="prompt_caching",
            field=models.BooleanField(
                db_default=True,
                default=True,
                help_text="Asks the provider to cache the beginning of prompts, which costs less when it repeats.",
                verbose_name="prompt caching",
            ),
        ),
        migrations.AlterField(
            model_name="llmmodel",
            name="reasoning_effort",
            field=models.CharField(
                blank=True,
                choices=orchestration.models.effort_choices,
                db_default="",
                default="",
                help_text="Default for agents, managers and summaries. Leave empty to send none.",
                max_length=16,
                verbose_name="reasoning effort",
            ),
        ),
        migrations.AlterField(
            model_name="llmmodel",
            name="reasoning_efforts",
            field=models.JSONField(
                blank=True,
                db_default=models.Value([], models.JSONField()),
                default=list,
                help_text="Efforts that the model accepts. If an agent asks for another one, the nearest is sent.",
                validators=[orchestration.models.validate_efforts],
                verbose_name="reasoning efforts",
            ),
        ),
        migrations.AlterField(
            model_name="llmmodel",
            name="served_as",
            field=models.CharField(
                blank=True,
                db_default="",
                default="",
                help_text="Only if answers name another model than the model ID, as Azure deployments and gateways do. Used to look up prices.",
                max_length=200,
                verbose_name="model name in answers",
            ),
        ),
        migrations.AlterField(
            model_name="llmmodel",
            name="temperature",
            field=models.BooleanField(default=True, verbose_name="temperature"),
        ),
        migrations.AlterField(
            model_name="llmmodel",
            name="vision",
            field=models.BooleanField(
                db_default=False,
                default=False,
                help_text="Other models get a line with the name of each image instead.",
                verbose_name="image input",
            ),
        ),
        migrations.AlterField(
            model_name="provider",
            name="base_url",
            field=models.CharField(
                blank=True,
                help_text="Defaults to the provider's URL.",
                max_length=500,
                validators=[orchestration.models.validate_base_url],
                verbose_name="base URL",
            ),
        ),
        migrations.AlterField(
            model_name="provider",
            name="base_url_env",
            field=models.CharField(
                blank=True,
                help_text="An environment variable that replaces the base URL if it is set.",
                max_length=120,
                validators=[
                    django.core.validators.RegexValidator(
                        "\\A[A-Z_][A-Z0-9_]*\\Z",
                        "Use the name of an environment variable, such as OPENROUTER_BASE_URL.",
                    )
                ],
                verbose_name="base URL variable",
            ),
        ),
    ]
