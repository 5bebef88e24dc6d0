"""The size of a file's text, which counts in its owner's space as the content does."""

from django.db import migrations, models
from django.db.models.functions import Length


def fill(apps, schema_editor):
    # Characters: a little less than bytes for the few files that exist.
    apps.get_model("chat_sessions", "File").objects.update(text_bytes=Length("text"))


class Migration(migrations.Migration):
    dependencies = [
        ("chat_sessions", "0020_field_words"),
    ]

    operations = [
        migrations.AddField(
            model_name="file",
            name="text_bytes",
            field=models.PositiveIntegerField(
                db_default=0, default=0, help_text="Size of the text in UTF-8."
            ),
        ),
        migrations.RunPython(fill, migrations.RunPython.noop, elidable=True),
    ]
