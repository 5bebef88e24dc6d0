"""Indexes that the plans of the reports ask for: without them each name of a room or agent reads the whole ledger."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("billing", "0004_corrections"),
        ("orchestration", "0002_starter_catalogue"),
    ]

    operations = [
        migrations.AddIndex(
            model_name="usageevent",
            index=models.Index(fields=["room_id", "-created_at"], name="event_of_room"),
        ),
        migrations.AddIndex(
            model_name="usageevent",
            index=models.Index(fields=["agent_id", "-created_at"], name="event_of_agent"),
        ),
        migrations.AddIndex(
            model_name="dailyusage",
            index=models.Index(fields=["user_id", "day"], name="daily_usage_of_user"),
        ),
    ]
