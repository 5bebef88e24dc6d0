"""The ledger's refusal has one exception on PostgreSQL: what an erased person called rooms and agents is blanked.

A transaction that says whom it erases (`pantheon.erased_user`, see billing/services/erase.py) may set `room_name` and
`agent_key` of that person's events to '', with every other column as it was. Nothing else passes.
"""

from django.db import migrations

TABLE = "billing_usageevent"

# A statement is refused before it looks for rows, so that one that finds none is refused too. `*=` compares rows byte
# by byte, with all columns that there are, also those that are added later.
FUNCTION = """
CREATE FUNCTION billing_refuse_change_but_erasing() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    erased text := current_setting('pantheon.erased_user', true);
BEGIN
    IF TG_OP = 'UPDATE' AND erased <> '' THEN
        IF TG_LEVEL = 'STATEMENT' THEN
            RETURN NULL;
        END IF;
        IF OLD.user_id::text = erased THEN
            OLD.room_name := '';
            OLD.agent_key := '';
            IF NEW *= OLD THEN
                RETURN NEW;
            END IF;
        END IF;
    END IF;
    RAISE EXCEPTION '% is append-only: % is refused, add a row', TG_TABLE_NAME, TG_OP
        USING ERRCODE = 'integrity_constraint_violation', TABLE = TG_TABLE_NAME;
END
$$
"""


def add(apps, schema_editor):
    if schema_editor.connection.vendor != "postgresql":
        return
    schema_editor.execute(FUNCTION, params=None)
    schema_editor.execute(f"DROP TRIGGER {TABLE}_append_only ON {TABLE}", params=None)
    schema_editor.execute(
        f"CREATE TRIGGER {TABLE}_append_only BEFORE UPDATE OR DELETE ON {TABLE} "
        "FOR EACH STATEMENT EXECUTE FUNCTION billing_refuse_change_but_erasing()",
        params=None,
    )
    schema_editor.execute(
        f"CREATE TRIGGER {TABLE}_names_alone BEFORE UPDATE ON {TABLE} "
        "FOR EACH ROW EXECUTE FUNCTION billing_refuse_change_but_erasing()",
        params=None,
    )


def remove(apps, schema_editor):
    if schema_editor.connection.vendor != "postgresql":
        return
    schema_editor.execute(f"DROP TRIGGER {TABLE}_names_alone ON {TABLE}", params=None)
    schema_editor.execute(f"DROP TRIGGER {TABLE}_append_only ON {TABLE}", params=None)
    schema_editor.execute("DROP FUNCTION billing_refuse_change_but_erasing()", params=None)
    schema_editor.execute(
        f"CREATE TRIGGER {TABLE}_append_only BEFORE UPDATE OR DELETE ON {TABLE} "
        "FOR EACH STATEMENT EXECUTE FUNCTION billing_refuse_change()",
        params=None,
    )


class Migration(migrations.Migration):
    dependencies = [("billing", "0011_price_tier_bound")]

    operations = [migrations.RunPython(add, remove)]
