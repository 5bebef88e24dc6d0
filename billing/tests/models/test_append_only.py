"""PostgreSQL rejects raw SQL that changes the ledger."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from importlib import import_module

import pytest
from django.apps import apps
from django.db import IntegrityError, ProgrammingError, connection, models, transaction
from django.db.models import QuerySet

from billing.models import ModelPrice, UsageEvent
from billing.services.erase import names_erase
from billing.services.usage import usage_stage
from billing.tests.factories import USAGE_PICO, call, make_model, payer
from billing.tests.support.append_only import changes_allowed

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite has the refusal of the ORM alone"),
]
migrations = [
    import_module(f"billing.migrations.{name}") for name in ("0003_append_only", "0012_erasing_names")
]


@pytest.fixture(autouse=True)
def event(db: None) -> UsageEvent:
    with transaction.atomic():
        usage_stage(payer=payer(), calls=[call(make_model())])
    return UsageEvent.objects.get()


def run(sql: str) -> int:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(sql)
        return cursor.rowcount


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE billing_usageevent SET cost_pico = 1",
        "UPDATE billing_usageevent SET cost_pico = cost_pico",
        "UPDATE billing_usageevent SET status = 'ok' WHERE false",
        "DELETE FROM billing_usageevent",
        "WITH gone AS (DELETE FROM billing_usageevent RETURNING id) SELECT * FROM gone",
        "INSERT INTO billing_usageevent SELECT * FROM billing_usageevent "
        "ON CONFLICT (id) DO UPDATE SET cost_pico = 1",
        "UPDATE billing_modelprice SET input_pico = 1",
        "UPDATE billing_modelprice SET checked_at = now()",
        "DELETE FROM billing_modelprice",
    ],
)
def test_no_statement_changes_or_deletes_a_row(event: UsageEvent, sql: str) -> None:
    with pytest.raises(IntegrityError, match="append-only"):
        run(sql)
    assert UsageEvent.objects.get().cost_pico == event.cost_pico == USAGE_PICO


NAMES_GO = "room_name = '', agent_key = ''"


@pytest.fixture
def erasing(event: UsageEvent) -> Iterator[None]:
    """As in the transaction that erases the person of the event."""
    run(f"SELECT set_config('pantheon.erased_user', '{event.user_id}', true)")
    yield
    run("SELECT set_config('pantheon.erased_user', '', true)")


def test_names_go_in_an_erasure_alone(event: UsageEvent) -> None:
    assert event.room_name
    with pytest.raises(IntegrityError, match="append-only"):
        run(f"UPDATE billing_usageevent SET {NAMES_GO}")
    with transaction.atomic():
        assert names_erase(user_id=event.user_id) == 1
        with pytest.raises(IntegrityError, match="append-only"):
            run(f"UPDATE billing_usageevent SET {NAMES_GO}")
    left = UsageEvent.objects.values().get()
    before = {field.attname: getattr(event, field.attname) for field in UsageEvent._meta.concrete_fields}
    assert left == {**before, "room_name": "", "agent_key": ""}


COLUMNS = [
    field.column
    for field in UsageEvent._meta.concrete_fields
    if field.column not in ("room_name", "agent_key")
]


@pytest.mark.usefixtures("erasing")
@pytest.mark.parametrize("column", COLUMNS)
def test_an_erasure_changes_no_other_column(event: UsageEvent, column: str) -> None:
    other = {
        "uuid": "gen_random_uuid()",
        "character varying": f"coalesce({column}, '') || 'x'",
        "jsonb": """'{"other": 1}'""",
        "timestamp with time zone": f"{column} + interval '1 microsecond'",
    }
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT data_type FROM information_schema.columns "
            "WHERE table_name = 'billing_usageevent' AND column_name = %s",
            [column],
        )
        [kind] = cursor.fetchone()
    value = other.get(kind, f"coalesce({column}, 0) + 1")
    with pytest.raises(IntegrityError, match="append-only"):
        run(f"UPDATE billing_usageevent SET {NAMES_GO}, {column} = {value}")


@pytest.mark.usefixtures("erasing")
@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE billing_usageevent SET room_name = 'Another', agent_key = ''",
        "UPDATE billing_usageevent SET room_name = '', agent_key = 'another'",
        "UPDATE billing_usageevent SET room_name = ''",
        "UPDATE billing_usageevent SET room_name = room_name",
        "DELETE FROM billing_usageevent",
        "INSERT INTO billing_usageevent SELECT * FROM billing_usageevent "
        "ON CONFLICT (id) DO UPDATE SET cost_pico = 1",
        "UPDATE billing_modelprice SET source = ''",
        "DELETE FROM billing_modelprice",
    ],
)
def test_an_erasure_changes_names_to_nothing_else(event: UsageEvent, sql: str) -> None:
    with pytest.raises(IntegrityError, match="append-only"):
        run(sql)
    assert UsageEvent.objects.get().room_name == event.room_name


@pytest.mark.usefixtures("erasing")
def test_an_erasure_changes_no_event_of_others(event: UsageEvent) -> None:
    with transaction.atomic():
        usage_stage(payer=payer(user_id=uuid.uuid4()), calls=[call(event.model)])
    with pytest.raises(IntegrityError, match="append-only"):
        run(f"UPDATE billing_usageevent SET {NAMES_GO}")


@pytest.mark.parametrize("model", [UsageEvent, ModelPrice])
def test_the_ways_of_django_round_the_refusal_of_the_orm_end_here(model: type[models.Model]) -> None:
    with pytest.raises(IntegrityError, match="append-only"), transaction.atomic():
        QuerySet(model)._raw_delete("default")
    with pytest.raises(IntegrityError, match="append-only"), transaction.atomic():
        QuerySet(model).update(created_at="2026-01-01T00:00:00Z")


def test_rows_are_still_added() -> None:
    with transaction.atomic():
        usage_stage(payer=payer(), calls=[call(make_model("another"))])
    assert UsageEvent.objects.count() == 2


def test_it_goes_back_and_forth() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
    with connection.schema_editor(atomic=False) as editor:
        for migration in reversed(migrations):
            migration.remove(apps, editor)
        assert run("UPDATE billing_usageevent SET cost_pico = 1") == 1
        for migration in migrations:
            migration.add(apps, editor)
    with pytest.raises(IntegrityError, match="append-only"):
        run("UPDATE billing_usageevent SET cost_pico = 2")


def test_a_test_may_break_the_ledger_on_purpose() -> None:
    with changes_allowed():
        run("UPDATE billing_usageevent SET cost_pico = 1")
    assert UsageEvent.objects.get().cost_pico == 1
    with pytest.raises(IntegrityError, match="append-only"):
        run("DELETE FROM billing_usageevent")


@pytest.mark.parametrize(
    "sql",
    [
        "TRUNCATE billing_usageevent CASCADE",
        "ALTER TABLE billing_usageevent DISABLE TRIGGER ALL",
        "DROP TABLE billing_usageevent CASCADE",
        "DROP FUNCTION billing_refuse_change() CASCADE",
        "DELETE FROM billing_usageevent",
    ],
)
def test_a_role_that_owns_nothing_can_add_and_no_more(event: UsageEvent, sql: str) -> None:
    """The grants are those of docs/operations.md."""
    run("CREATE ROLE pantheon_app")
    run("GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO pantheon_app")
    run("GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA public TO pantheon_app")
    run("SET LOCAL ROLE pantheon_app")
    with transaction.atomic():
        usage_stage(payer=payer(), calls=[call(event.model)])
    with pytest.raises((ProgrammingError, IntegrityError)):
        run(sql)
    run("RESET ROLE")
    assert UsageEvent.objects.count() == 2
