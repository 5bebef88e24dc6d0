"""An event is corrected at most once, by a row that is cost alone; unpriced calls are found without reading the ledger."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("billing", "0003_append_only"),
        ("orchestration", "0002_starter_catalogue"),
    ]

    operations = [
        migrations.AlterField(
            model_name="usageevent",
            name="corrects",
            field=models.ForeignKey(
                blank=True,
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="corrections",
                to="billing.usageevent",
            ),
        ),
        migrations.AddIndex(
            model_name="usageevent",
            index=models.Index(
                condition=models.Q(("cost_pico__isnull", True)),
                fields=["model", "created_at", "id"],
                name="event_unpriced",
            ),
        ),
        migrations.AddConstraint(
            model_name="usageevent",
            constraint=models.UniqueConstraint(
                condition=models.Q(("corrects__isnull", False)),
                fields=("corrects",),
                name="event_corrected_once",
            ),
        ),
        migrations.AddConstraint(
            model_name="usageevent",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("corrects__isnull", True),
                    models.Q(
                        ("cache_read_tokens", 0),
                        ("cache_write_1h_tokens", 0),
                        ("cache_write_5m_tokens", 0),
                        ("cost_pico__isnull", False),
                        ("input_tokens", 0),
                        ("output_tokens", 0),
                        ("provider_cost_pico__isnull", True),
                    ),
                    _connector="OR",
                ),
                name="event_correction_is_cost_alone",
            ),
        ),
    ]
