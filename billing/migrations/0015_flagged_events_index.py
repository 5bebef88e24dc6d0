"""An index for flagged calls."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("billing", "0014_corrections_of_prices"),
    ]

    operations = [
        migrations.AddIndex(
            model_name="usageevent",
            index=models.Index(
                condition=models.Q(("flags", []), _negated=True), fields=["-created_at"], name="event_flagged"
            ),
        ),
    ]
