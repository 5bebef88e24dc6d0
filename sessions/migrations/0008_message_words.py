import string

from django.db import migrations

# What PostgreSQL finds words by, stored: making it of a long text takes longer than a search may, and some queries look
# at it again. Signs are spaces: the parser looks for addresses, paths and tags among them, and takes hours for 100,000
# characters of "a_a_a_". Bounded, because a tsvector is (1 MiB). SQLite compares texts.
SIGNS = string.punctuation.replace("'", "''")
CREATE = f"""
    ALTER TABLE chat_sessions_message ADD COLUMN words tsvector GENERATED ALWAYS AS (
        to_tsvector('simple'::regconfig,
            translate(left("text", 100000), '{SIGNS}', '{" " * len(string.punctuation)}'))
    ) STORED;
    CREATE INDEX message_words ON chat_sessions_message USING gin (words);
    DROP INDEX message_search;
"""
DROP = """
    ALTER TABLE chat_sessions_message DROP COLUMN words;
    CREATE INDEX message_search ON chat_sessions_message
    USING gin (to_tsvector('simple'::regconfig, left("text", 100000)));
"""


def create(apps, schema_editor):
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute(CREATE, None)


def drop(apps, schema_editor):
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute(DROP, None)


class Migration(migrations.Migration):
    dependencies = [("chat_sessions", "0007_message_html")]

    operations = [migrations.RunPython(create, drop)]
