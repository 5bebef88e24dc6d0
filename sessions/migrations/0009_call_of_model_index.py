from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [
        ("chat_sessions", "0008_message_words"),
    ]

    operations = [
        migrations.RemoveIndex(model_name="call", name="call_of_model"),
    ]
