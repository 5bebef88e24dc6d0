"""PostgreSQL: find parts of words by an index of trigrams, instead of whole words."""

import logging
import string

from django.db import Error, migrations, transaction

log = logging.getLogger("pantheon.sessions.search")

TABLES = {"message_search": "chat_sessions_message", "session_search": "chat_sessions_chatsession"}
EXTENSION = "CREATE EXTENSION IF NOT EXISTS pg_trgm"
INDEXES = [
    f"CREATE INDEX IF NOT EXISTS {index} ON {table} USING gin (search_text gin_trgm_ops)"
    for index, table in TABLES.items()
]
DROP_WORDS = [f"ALTER TABLE {table} DROP COLUMN words" for table in TABLES.values()]

# As 0008 and 0011 created them.
SIGNS = string.punctuation.replace("'", "''")
WORDS = "to_tsvector('simple'::regconfig, translate({text}, '{signs}', '{spaces}'))"
CREATE_WORDS = [
    f"ALTER TABLE {table} ADD COLUMN words tsvector GENERATED ALWAYS AS ("
    + WORDS.format(text=text, signs=SIGNS, spaces=" " * len(string.punctuation))
    + f") STORED; CREATE INDEX {index} ON {table} USING gin (words)"
    for index, table, text in (
        ("message_words", "chat_sessions_message", 'left("text", 100000)'),
        ("session_words", "chat_sessions_chatsession", "title"),
    )
]


def create(apps, schema_editor):
    if schema_editor.connection.vendor != "postgresql":
        return
    for statement in DROP_WORDS:
        schema_editor.execute(statement)
    create_indexes(schema_editor)


def create_indexes(schema_editor):
    """Create the indexes, unless this database has no pg_trgm and this user may not create it."""
    try:
        with transaction.atomic(schema_editor.connection.alias):
            for statement in (EXTENSION, *INDEXES):
                schema_editor.execute(statement)
    except Error as error:
        log.warning(
            "search has no index and reads all messages of the person who searches, "
            "because the extension pg_trgm could not be created (%s). "
            "When it is available, run as a superuser: %s",
            " ".join(str(error).split()),
            "; ".join([EXTENSION, *INDEXES]),
        )


def drop(apps, schema_editor):
    if schema_editor.connection.vendor != "postgresql":
        return
    for statement in [*(f"DROP INDEX IF EXISTS {index}" for index in TABLES), *CREATE_WORDS]:
        schema_editor.execute(statement, None)


class Migration(migrations.Migration):
    dependencies = [("chat_sessions", "0016_search_text_of_rows")]

    operations = [migrations.RunPython(create, drop)]
