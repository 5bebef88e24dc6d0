from django.db import migrations

# What PostgreSQL finds words by: the expression is the one of `sessions.selectors.search`. Bounded, because a tsvector
# is (1 MiB), and a long answer must not fail to be stored. SQLite compares texts.
CREATE = """
    CREATE INDEX message_search ON chat_sessions_message
    USING gin (to_tsvector('simple'::regconfig, left("text", 100000)))
"""


def create(apps, schema_editor):
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute(CREATE)


def drop(apps, schema_editor):
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute("DROP INDEX message_search")


class Migration(migrations.Migration):
    dependencies = [("chat_sessions", "0003_session_origin")]

    operations = [migrations.RunPython(create, drop)]
