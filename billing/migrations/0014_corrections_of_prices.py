"""A call may be corrected again, and a correction may change a cost that the call had; rollups sum such changes.

The defaults are in the database, so that processes of the version before can go on writing during an upgrade.
"""

from django.db import migrations, models

import billing.fields


class Migration(migrations.Migration):
    dependencies = [
        ("billing", "0013_purposes_from_table"),
        ("orchestration", "0004_kinds_from_the_table"),
    ]

    operations = [
        migrations.RemoveConstraint(
            model_name="usageevent",
            name="event_corrected_once",
        ),
        migrations.RemoveConstraint(
            model_name="usageevent",
            name="event_correction_is_cost_alone",
        ),
        migrations.AddField(
            model_name="dailyusage",
            name="corrected_cost_pico",
            field=billing.fields.PicoUsdField(db_default=0, default=0, verbose_name="of which corrections"),
        ),
        migrations.AddField(
            model_name="usageevent",
            name="corrections_before",
            field=models.PositiveSmallIntegerField(
                db_default=0, default=0, help_text="Of a correction: how many the call had already."
            ),
        ),
        migrations.AddField(
            model_name="usageevent",
            name="cost_before_pico",
            field=billing.fields.PicoUsdField(
                blank=True,
                help_text="Of a correction: the call's cost until then; empty: unpriced.",
                null=True,
                verbose_name="cost before",
            ),
        ),
        migrations.AddField(
            model_name="usagetotal",
            name="corrected_cost_pico",
            field=billing.fields.PicoUsdField(db_default=0, default=0, verbose_name="of which corrections"),
        ),
        migrations.AddConstraint(
            model_name="usageevent",
            constraint=models.UniqueConstraint(
                condition=models.Q(("corrects__isnull", False)),
                fields=("corrects", "corrections_before"),
                name="event_correction_order",
            ),
        ),
        migrations.AddConstraint(
            model_name="usageevent",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(
                        ("corrections_before", 0),
                        ("corrects__isnull", True),
                        ("cost_before_pico__isnull", True),
                    ),
                    models.Q(
                        ("cache_read_tokens", 0),
                        ("cache_write_1h_tokens", 0),
                        ("cache_write_5m_tokens", 0),
                        ("corrects__isnull", False),
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
