from django.db import migrations, models


class Migration(migrations.Migration):
    """Count what a call has received in bytes, as every other estimate does.

    Rows keep their number of characters, never more than the bytes were; it is read for calls alone that run meanwhile.
    """

    dependencies = [
        ("chat_sessions", "0005_newest_first"),
    ]

    operations = [
        migrations.RenameField(model_name="call", old_name="received_chars", new_name="received_bytes"),
        migrations.AlterField(
            model_name="call",
            name="received_bytes",
            field=models.PositiveIntegerField(
                default=0, help_text="How much text (UTF-8) had arrived at the last lease renewal."
            ),
        ),
    ]
