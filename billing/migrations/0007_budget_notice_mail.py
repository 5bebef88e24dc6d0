"""When a passed threshold is to be mailed, and the index by which those are found."""

import django.utils.timezone
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("billing", "0006_budgets"),
    ]

    operations = [
        migrations.AddField(
            model_name="budgetnotice",
            name="mail_after",
            field=models.DateTimeField(
                default=django.utils.timezone.now,
                help_text="Not before this moment is it mailed, or tried again.",
            ),
        ),
        migrations.AlterField(
            model_name="budgetnotice",
            name="mailed_at",
            field=models.DateTimeField(
                blank=True,
                help_text="When it was mailed, or found to have nobody to be mailed to.",
                null=True,
            ),
        ),
        migrations.AddIndex(
            model_name="budgetnotice",
            index=models.Index(
                condition=models.Q(("mailed_at__isnull", True)),
                fields=["mail_after"],
                name="budget_notice_to_mail",
            ),
        ),
    ]
