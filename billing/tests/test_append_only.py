"""PostgreSQL refuses what the ORM is not asked for: raw SQL that changes the ledger."""

from __future__ import annotations

from importlib import import_module

import pytest
from django.apps import apps
from django.db import IntegrityError, ProgrammingError, connection, models, transaction
from django.db.models import QuerySet

from billing.models import ModelPrice, UsageEvent
from billing.services.usage import usage_stage
from billing.tests.append_only import changes_allowed
from billing.tests.factories import USAGE_PICO, call, make_model, payer

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite has the refusal of the ORM alone"),
]
migration = import_module("billing.migrations.0003_append_only")


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
        migration.remove(apps, editor)
        assert run("UPDATE billing_usageevent SET cost_pico = 1") == 1
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
