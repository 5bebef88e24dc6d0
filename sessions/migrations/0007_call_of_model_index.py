from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [
        ("chat_sessions", "0006_call_received_bytes"),
    ]

    operations = [
        migrations.RemoveIndex(model_name="call", name="call_of_model"),
    ]
