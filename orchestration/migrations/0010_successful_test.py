"""When a provider's list of models was last read. Providers without a key that exist already may stay defaults."""

from django.db import migrations, models
from django.utils import timezone


def keep_defaults(apps, schema_editor):
    apps.get_model("orchestration", "Provider").objects.filter(key_env="").update(tested_at=timezone.now())


class Migration(migrations.Migration):
    dependencies = [
        ("orchestration", "0009_starter_efforts"),
    ]

    operations = [
        migrations.AddField(
            model_name="provider",
            name="tested_at",
            field=models.DateTimeField(
                editable=False,
                help_text="When its list of models was last read. A provider without a key is no default before that, or before a model of it has answered.",
                null=True,
                verbose_name="last successful test",
            ),
        ),
        migrations.RunPython(keep_defaults, migrations.RunPython.noop),
    ]
