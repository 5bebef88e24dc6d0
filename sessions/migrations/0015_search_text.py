"""The texts that search reads, folded when they are saved."""

from django.db import migrations

import sessions.models.search_text


class Migration(migrations.Migration):
    dependencies = [("chat_sessions", "0014_cut_texts_and_fallback_reasons")]

    operations = [
        migrations.AddField(
            model_name="chatsession",
            name="search_text",
            field=sessions.models.search_text.SearchTextField(
                blank=True,
                db_default="",
                editable=False,
                help_text="The title as search reads it.",
                of="title",
            ),
        ),
        migrations.AddField(
            model_name="message",
            name="search_text",
            field=sessions.models.search_text.SearchTextField(
                blank=True,
                db_default="",
                editable=False,
                help_text="The text as search reads it.",
                of="text",
            ),
        ),
    ]
