"""PostgreSQL refuses to change or delete what the ledger has written, whoever asks: code, an administrator, psql.

Once per statement, so that an INSERT pays nothing. TRUNCATE stays possible: only the owner of the tables can, it is how
test databases are emptied, and nobody does it by mistake. SQLite has the refusal of the ORM alone.
"""

from django.db import migrations

TABLES = ("billing_usageevent", "billing_modelprice")

FUNCTION = """
CREATE FUNCTION billing_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is append-only: % is refused, add a row', TG_TABLE_NAME, TG_OP
        USING ERRCODE = 'integrity_constraint_violation', TABLE = TG_TABLE_NAME;
END
$$
"""


def add(apps, schema_editor):
    if schema_editor.connection.vendor != "postgresql":
        return
    schema_editor.execute(FUNCTION, params=None)
    for table in TABLES:
        schema_editor.execute(
            f"CREATE TRIGGER {table}_append_only BEFORE UPDATE OR DELETE ON {table} "
            "FOR EACH STATEMENT EXECUTE FUNCTION billing_refuse_change()",
            params=None,
        )


def remove(apps, schema_editor):
    if schema_editor.connection.vendor != "postgresql":
        return
    for table in TABLES:
        schema_editor.execute(f"DROP TRIGGER {table}_append_only ON {table}", params=None)
    schema_editor.execute("DROP FUNCTION billing_refuse_change()", params=None)


class Migration(migrations.Migration):
    dependencies = [("billing", "0002_starter_prices")]

    operations = [migrations.RunPython(add, remove)]
