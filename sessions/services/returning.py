"""UPDATE ... RETURNING, which Django's ORM lacks: a row is changed and read in one statement."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from django.db import connection, models
from django.db.models.sql import UpdateQuery

Row = TypeVar("Row", bound=models.Model)


def update_returning(
    rows: models.QuerySet[Row], changes: Mapping[str, Any], *, also: Mapping[str, str] | None = None
) -> Row | None:
    """Update the one row that matches and return it as it is then, None where none matches.

    `also`: attribute -> SQL expression that is returned with the row.
    """
    query: Any = rows.query.chain(UpdateQuery)
    query.add_update_values(changes)
    sql, params = query.get_compiler(connection=connection).as_sql()
    columns = [field.column for field in rows.model._meta.concrete_fields if field.column]
    returned = [
        *(connection.ops.quote_name(column) for column in columns),
        *(f"{expression} AS {name}" for name, expression in (also or {}).items()),
    ]
    found = list(rows.model._default_manager.raw(f"{sql} RETURNING {', '.join(returned)}", params))
    return found[0] if found else None
