"""Names and help texts of fields in our words. No table changes."""

import uuid

import django.core.validators
import django.utils.timezone
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("billing", "0016_ledger_names"),
    ]

    operations = [
        migrations.AlterField(
            model_name="modelprice",
            name="checked_at",
            field=models.DateTimeField(default=django.utils.timezone.now, verbose_name="last verified"),
        ),
        migrations.AlterField(
            model_name="modelprice",
            name="id",
            field=models.UUIDField(
                default=uuid.uuid4, editable=False, primary_key=True, serialize=False, verbose_name="ID"
            ),
        ),
        migrations.AlterField(
            model_name="modelprice",
            name="min_input_tokens",
            field=models.PositiveIntegerField(
                default=0,
                help_text="Applies to calls with at least this many input tokens.",
                validators=[django.core.validators.MaxValueValidator(2147483647)],
                verbose_name="tier (input ≥)",
            ),
        ),
        migrations.AlterField(
            model_name="usageevent",
            name="id",
            field=models.UUIDField(
                default=uuid.uuid4, editable=False, primary_key=True, serialize=False, verbose_name="ID"
            ),
        ),
        migrations.AlterField(
            model_name="usageevent",
            name="model_asked",
            field=models.CharField(max_length=200, verbose_name="requested model"),
        ),
        migrations.AlterField(
            model_name="usageevent",
            name="model_served",
            field=models.CharField(blank=True, max_length=200, verbose_name="served model"),
        ),
        migrations.AlterField(
            model_name="usageevent",
            name="provider_request_id",
            field=models.CharField(blank=True, max_length=200, verbose_name="provider's request ID"),
        ),
        migrations.AlterField(
            model_name="usageevent",
            name="status",
            field=models.CharField(
                choices=[
                    ("ok", "OK"),
                    ("failed", "Failed"),
                    ("cancelled", "Cancelled"),
                    ("interrupted", "Interrupted"),
                ],
                max_length=16,
            ),
        ),
    ]
