"""Totals of the daily rollup: what a report over many days reads instead of every day's rows."""

import uuid

from django.db import migrations, models

import billing.fields


class Migration(migrations.Migration):
    dependencies = [
        ("billing", "0005_report_indexes"),
        ("orchestration", "0002_starter_catalogue"),
    ]

    operations = [
        migrations.CreateModel(
            name="UsageTotal",
            fields=[
                ("calls", models.BigIntegerField(default=0)),
                ("input_tokens", models.BigIntegerField(default=0)),
                ("cache_read_tokens", models.BigIntegerField(default=0)),
                ("cache_write_5m_tokens", models.BigIntegerField(default=0)),
                ("cache_write_1h_tokens", models.BigIntegerField(default=0)),
                ("output_tokens", models.BigIntegerField(default=0)),
                ("reasoning_tokens", models.BigIntegerField(default=0)),
                ("cost_pico", billing.fields.PicoUsdField(default=0, verbose_name="cost")),
                (
                    "estimated_cost_pico",
                    billing.fields.PicoUsdField(default=0, verbose_name="of which estimated"),
                ),
                ("unpriced_calls", models.BigIntegerField(default=0)),
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                (
                    "orchestration_cost_pico",
                    billing.fields.PicoUsdField(default=0, verbose_name="of which orchestration"),
                ),
                ("day", models.DateField()),
                ("team_id", models.UUIDField(default=uuid.UUID("00000000-0000-0000-0000-000000000000"))),
                ("user_id", models.UUIDField(default=uuid.UUID("00000000-0000-0000-0000-000000000000"))),
                ("room_id", models.UUIDField(default=uuid.UUID("00000000-0000-0000-0000-000000000000"))),
                ("agent_id", models.UUIDField(default=uuid.UUID("00000000-0000-0000-0000-000000000000"))),
                ("model_id", models.UUIDField(default=uuid.UUID("00000000-0000-0000-0000-000000000000"))),
                ("cut", models.CharField(max_length=16)),
                ("purpose", models.CharField(blank=True, max_length=16)),
                ("mode", models.CharField(blank=True, max_length=16)),
            ],
            options={
                "verbose_name": "usage total",
                "ordering": ["-day", "cut"],
            },
        ),
        migrations.AddIndex(
            model_name="dailyusage",
            index=models.Index(fields=["room_id", "day"], name="daily_usage_of_room"),
        ),
        migrations.AddIndex(
            model_name="dailyusage",
            index=models.Index(fields=["agent_id", "day"], name="daily_usage_of_agent"),
        ),
        migrations.AddIndex(
            model_name="usagetotal",
            index=models.Index(
                condition=models.Q(("cut__in", ["user", "week:user", "week:all"])),
                fields=["cut", "user_id", "day"],
                name="usage_total_of_user",
            ),
        ),
        migrations.AddIndex(
            model_name="usagetotal",
            index=models.Index(
                condition=models.Q(("cut__in", ["room", "week:room", "week:all"])),
                fields=["cut", "room_id", "day"],
                name="usage_total_of_room",
            ),
        ),
        migrations.AddIndex(
            model_name="usagetotal",
            index=models.Index(
                condition=models.Q(("cut__in", ["agent", "week:agent", "week:all"])),
                fields=["cut", "agent_id", "day"],
                name="usage_total_of_agent",
            ),
        ),
        migrations.AddConstraint(
            model_name="usagetotal",
            constraint=models.UniqueConstraint(
                fields=(
                    "cut",
                    "day",
                    "team_id",
                    "user_id",
                    "room_id",
                    "agent_id",
                    "model_id",
                    "purpose",
                    "mode",
                ),
                name="usage_total_key",
            ),
        ),
    ]
