"""Queries that the ORM compiles once. For statements that every turn runs.

Building and compiling a query costs several times what PostgreSQL takes to execute it: a third of a worker's time under
load. Here a queryset with slots for its values is compiled at first use; later calls run the same SQL with other
values. Each thread uses its own connection.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from types import SimpleNamespace
from typing import Any, Generic, TypeVar

from django.db import DEFAULT_DB_ALIAS, connections, models
from django.db.models.expressions import DatabaseDefault, Expression
from django.db.models.query import ModelIterable
from django.db.models.sql import UpdateQuery

Row = TypeVar("Row", bound=models.Model)


class Slot(Expression):
    """Placeholder for a value that is given at execution. In a condition the value must not be None."""

    def __init__(self, name: str, field: Any) -> None:
        super().__init__(output_field=field)
        self.name = name

    def as_sql(self, compiler: Any, connection: Any) -> Any:
        return "%s", [self]


MOST_PARAMETERS = 65_535
"""PostgreSQL's limit for a prepared statement."""

Bound = tuple[str, list[Any]]
"""SQL and its parameters, ready to execute."""


class Statement:
    """SQL whose parameters are slots and constants."""

    def __init__(self, sql: str, params: Iterable[Any]) -> None:
        self.sql = sql
        self._params = tuple(params)

    def bind(self, database: Any, values: Mapping[str, Any]) -> Bound:
        """Return the statement with these values, converted as their fields do for saving."""
        return self.sql, [
            param.output_field.get_db_prep_save(values[param.name], database)
            if isinstance(param, Slot)
            else param
            for param in self._params
        ]


class CompiledQuery(Generic[Row]):
    """A compiled queryset of model rows. `build` returns the queryset with slots; called once per database vendor."""

    def __init__(self, build: Callable[[], models.QuerySet[Row]]) -> None:
        self._build = build
        self._plans: dict[str, tuple[models.QuerySet[Row], Any, Statement]] = {}

    def __call__(self, **values: Any) -> list[Row]:
        database = connections[DEFAULT_DB_ALIAS]
        queryset, compiler, statement = self._plans.get(database.vendor) or self._compile(database)
        with database.cursor() as cursor:
            cursor.execute(*statement.bind(database, values))
            rows = cursor.fetchall()
        # ModelIterable builds model instances (select_related included) from these rows as if it had queried itself.
        with_rows = copy.copy(compiler)
        with_rows.connection = database
        with_rows.execute_sql = lambda **kwargs: [rows]
        query = SimpleNamespace(get_compiler=lambda **kwargs: with_rows)
        stand_in: Any = SimpleNamespace(
            db=database.alias, query=query, model=queryset.model, _known_related_objects={}
        )
        return list(ModelIterable(stand_in))

    def first(self, **values: Any) -> Row | None:
        return next(iter(self(**values)), None)

    def _compile(self, database: Any) -> tuple[models.QuerySet[Row], Any, Statement]:
        queryset = self._build()
        compiler: Any = queryset.query.get_compiler(connection=database)
        sql, params = compiler.as_sql()
        converters = compiler.get_converters([select[0] for select in compiler.select[: compiler.col_count]])
        compiler.get_converters = lambda expressions: converters
        self._plans[database.vendor] = plan = queryset, compiler, Statement(sql, params)
        return plan


class CompiledUpdate(Generic[Row]):
    """A compiled UPDATE. `build` returns the queryset and its changes: field -> value, expression or slot.

    `also`: attribute -> SQL expression that `returning` sets on the row.
    """

    def __init__(
        self,
        build: Callable[[], tuple[models.QuerySet[Row], Mapping[str, Any]]],
        *,
        also: Mapping[str, str] | None = None,
    ) -> None:
        self._build = build
        self._also = also or {}
        self._plans: dict[str, tuple[type[Row], Statement, Statement]] = {}

    def bind(self, **values: Any) -> Bound:
        """Return the statement with these values, to run with `together`."""
        database = connections[DEFAULT_DB_ALIAS]
        _, statement, _ = self._plan(database)
        return statement.bind(database, values)

    def returning(self, **values: Any) -> Row | None:
        """Update the one matching row and return it as updated; None if no row matches.

        Raw SQL because the ORM has no UPDATE ... RETURNING: a second query could see later changes by others.
        """
        database = connections[DEFAULT_DB_ALIAS]
        model, _, statement = self._plan(database)
        fields = columns_of(model)
        with database.cursor() as cursor:
            cursor.execute(*statement.bind(database, values))
            rows = cursor.fetchall()
        if not rows:
            return None
        [cells] = rows
        row: Row = model.from_db(
            database.alias,
            [field.attname for field in fields],
            [from_database(field, cell, database) for field, cell in zip(fields, cells, strict=False)],
        )
        for name, cell in zip(self._also, cells[len(fields) :], strict=True):
            setattr(row, name, cell)
        return row

    def _plan(self, database: Any) -> tuple[type[Row], Statement, Statement]:
        if (plan := self._plans.get(database.vendor)) is not None:
            return plan
        queryset, changes = self._build()
        query: Any = queryset.query.chain(UpdateQuery)
        query.add_update_values(changes)
        sql, params = query.get_compiler(connection=database).as_sql()
        columns = [database.ops.quote_name(field.column) for field in columns_of(queryset.model)]
        returned = ", ".join(
            [*columns, *(f"{expression} AS {name}" for name, expression in self._also.items())]
        )
        plan = queryset.model, Statement(sql, params), Statement(f"{sql} RETURNING {returned}", params)
        self._plans[database.vendor] = plan
        return plan


def together(*statements: Bound) -> int:
    """Run independent writes in one round trip to PostgreSQL, as one statement with CTEs; return the last one's rows.

    They must change different rows: each sees the tables as they were before. PostgreSQL executes the last statement
    first, then the others from the end; it skips a SELECT that is not the last.
    """
    if not statements:
        return 0
    database = connections[DEFAULT_DB_ALIAS]
    if database.vendor == "postgresql":
        *first, (last, _) = statements
        parts = ", ".join(f"part{place} AS ({sql})" for place, (sql, _) in enumerate(first))
        statements = (
            (f"WITH {parts} {last}" if parts else last, [p for _, params in statements for p in params]),
        )
    with database.cursor() as cursor:
        for sql, params in statements:
            cursor.execute(sql, params)
        count: int = cursor.rowcount
    return count


def insertion(rows: Sequence[models.Model], *, where: Bound | None = None) -> Bound:
    """Return the INSERT for rows of one model whose primary keys are set.

    `where`: a FROM clause; the single row is inserted once per row of it, so not at all if it is empty.
    """
    database = connections[DEFAULT_DB_ALIAS]
    sql, fields = insert_of(type(rows[0]), len(rows), where[0] if where else "", database.vendor)
    params = [field.get_db_prep_save(value_of(row, field), database) for row in rows for field in fields]
    for row in rows:
        row._state.adding, row._state.db = False, database.alias
    return sql, [*params, *(where[1] if where else ())]


def insertions(rows: Sequence[models.Model]) -> list[Bound]:
    """Return INSERTs for rows of one model: one, unless the database limits the number of parameters."""
    if not rows:
        return []
    most = connections[DEFAULT_DB_ALIAS].features.max_query_params or MOST_PARAMETERS
    size = max(1, most // len(columns_of(type(rows[0]))))
    return [insertion(rows[start : start + size]) for start in range(0, len(rows), size)]


def insert(rows: Sequence[models.Model]) -> None:
    """Insert rows of one model."""
    together(*insertions(rows))


def value_of(row: models.Model, field: Any) -> Any:
    """Return a new row's value for a column; if it was not set, the value of the database default."""
    value: Any = field.pre_save(row, add=True)
    is_default = isinstance(value, DatabaseDefault)
    return value.expression.value if is_default else value


@cache
def insert_of(model: type[models.Model], count: int, where: str, vendor: str) -> tuple[str, list[Any]]:
    fields = columns_of(model)
    quote = connections[DEFAULT_DB_ALIAS].ops.quote_name
    names = ", ".join(quote(field.column) for field in fields)
    places = ", ".join(["%s"] * len(fields))
    values = f"SELECT {places} {where}" if where else f"VALUES {', '.join([f'({places})'] * count)}"
    return f"INSERT INTO {quote(model._meta.db_table)} ({names}) {values}", fields


@cache
def columns_of(model: type[models.Model]) -> list[Any]:
    """Return the fields of a model that have a column."""
    return [field for field in model._meta.concrete_fields if field.column]


def from_database(field: Any, cell: Any, database: Any) -> Any:
    """Convert a column's raw value as the ORM does."""
    column, converters = converters_of(field, database.vendor)
    for convert in converters:
        cell = convert(cell, column, database)
    return cell


@cache
def converters_of(field: Any, vendor: str) -> tuple[Any, list[Any]]:
    """Return a field's column expression (for a foreign key, that of the target's key) and its converters."""
    database, column = connections[DEFAULT_DB_ALIAS], field.get_col(field.model._meta.db_table)
    return column, [*database.ops.get_db_converters(column), *column.get_db_converters(database)]
