"""Store the words of session titles, as 0008 does with those of messages, so that no search parses titles."""

import string

from django.db import migrations

# PostgreSQL's parser takes over a millisecond for a title such as "a_a_a_…", and a search looks at every title of its
# user. Signs are spaces, as in the words of messages. SQLite compares texts.
SIGNS = string.punctuation.replace("'", "''")
CREATE = f"""
    ALTER TABLE chat_sessions_chatsession ADD COLUMN words tsvector GENERATED ALWAYS AS (
        to_tsvector('simple'::regconfig, translate(title, '{SIGNS}', '{" " * len(string.punctuation)}'))
    ) STORED;
    CREATE INDEX session_words ON chat_sessions_chatsession USING gin (words);
"""
DROP = "ALTER TABLE chat_sessions_chatsession DROP COLUMN words"


def create(apps, schema_editor):
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute(CREATE, None)


def drop(apps, schema_editor):
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute(DROP)


class Migration(migrations.Migration):
    dependencies = [("chat_sessions", "0010_modes_from_table")]

    operations = [migrations.RunPython(create, drop)]
