"""System checks that read the database: only with `check --database default`, which `bin/run` runs at its start."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Warning
from django.db import connections

from orchestration.gateway.keys import KEY_NAME_RULE
from orchestration.models import LlmModel, Provider


def check_default_model(*, databases: Sequence[str] | None = None, **kwargs: Any) -> list[CheckMessage]:
    """Warn if the default model is unavailable. Reads the database, so only with `check --database default`."""
    alias = settings.PANTHEON_DEFAULT_MODEL
    if not alias or not is_migrated(databases):
        return []
    model = LlmModel.objects.enabled().filter(alias=alias).first()
    if model is not None and model.provider.has_key:
        return []
    if model is None:
        problem = "no enabled model has this alias"
    else:
        problem = f"its provider {model.provider} has no key: {model.provider.key_cure}"
    return [
        Warning(
            f"PANTHEON_DEFAULT_MODEL is {alias!r}: {problem}.",
            hint="Agents without a model of their own cannot answer. Set the alias of an enabled model, or unset it.",
            id="pantheon.W001",
        )
    ]


def check_key_variables(*, databases: Sequence[str] | None = None, **kwargs: Any) -> list[CheckMessage]:
    """Warn of providers whose key variable has a forbidden name. Reads the database, as above."""
    if not is_migrated(databases):
        return []
    return [
        Warning(
            f"Provider {provider.name} cannot read its key from {provider.key_env}: the name is not allowed. "
            "Its models cannot be used.",
            hint=f"{KEY_NAME_RULE} Set it, and enter it as the provider's key variable in the administration.",
            id="pantheon.W003",
        )
        for provider in Provider.objects.order_by("name")
        if not provider.key_name_allowed
    ]


def check_pooler(*, databases: Sequence[str] | None = None, **kwargs: Any) -> list[CheckMessage]:
    """Warn of a pooler without a setting for cursors: in transaction mode it may move them to another connection.

    A pooler announces process ids of its own to its clients. Connects to the database, so only as above.
    """
    connection = connections["default"]
    is_set = "DISABLE_SERVER_SIDE_CURSORS" in connection.settings_dict
    if "default" not in (databases or ()) or connection.vendor != "postgresql" or is_set:
        return []
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        [pid] = cursor.fetchone()
    if pid == connection.connection.info.backend_pid:
        return []
    return [
        Warning(
            "DATABASE_URL leads to a connection pooler, such as PgBouncer. In transaction mode, the ledger audit and "
            "pages of the administration fail under load.",
            hint="Add ?DISABLE_SERVER_SIDE_CURSORS=true to DATABASE_URL; in session mode, "
            "?DISABLE_SERVER_SIDE_CURSORS=false.",
            id="pantheon.W005",
        )
    ]


def is_migrated(databases: Sequence[str] | None) -> bool:
    """Return whether a check may query the default database and its catalogue has all tables and columns.

    `manage.py migrate` runs the checks first, on the tables of the version before.
    """
    if "default" not in (databases or ()):
        return False
    connection = connections["default"]
    with connection.cursor() as cursor:
        tables = connection.introspection.table_names(cursor)
        return all(
            model._meta.db_table in tables
            and {field.column for field in model._meta.concrete_fields}
            <= {
                column.name
                for column in connection.introspection.get_table_description(cursor, model._meta.db_table)
            }
            for model in (Provider, LlmModel)
        )
