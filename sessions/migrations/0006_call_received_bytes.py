from django.db import migrations, models

HELP = "How much text (UTF-8) had arrived at the last lease renewal."


class Migration(migrations.Migration):
    """Count what a call has received in bytes, as every other estimate does.

    The column keeps its name, so that processes of the version before go on meanwhile; what they write is a number of
    characters, never more than the bytes were.
    """

    dependencies = [
        ("chat_sessions", "0005_newest_first"),
    ]

    operations = [
        migrations.AlterField(
            model_name="call",
            name="received_chars",
            field=models.PositiveIntegerField(db_column="received_chars", default=0, help_text=HELP),
        ),
        migrations.RenameField(model_name="call", old_name="received_chars", new_name="received_bytes"),
    ]
