"""Shapes: one statement gives both an answer of the API and its description."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from rest_framework import serializers

from accounts.models import Team, User
from pantheon.api_schema import document
from web.api.shapes import (
    ManagedPersonShape,
    PersonShape,
    Shape,
    count,
    day,
    identifier,
    moment,
    one_of,
    part,
    parts,
    stored,
    text,
)


class SeatShape(Shape):
    key = text("Its key.", of="agent.key")
    note = text("Its note.", allow_null=True)


class TableShape(Shape):
    id = identifier("The table.", of="pk")
    from_ = day("Its first day.", of="first")
    host = part("The host.", SeatShape, allow_null=True)
    seats = parts("The seats.", SeatShape)
    plan = stored(parts("The plan.", SeatShape))
    mood = one_of("The mood.", "good", "bad", of=lambda table: "good" if table.seats else "bad")
    guests = count("The guests.", required=False)
    closed_at = moment("When it was closed.", allow_null=True)


def seat(key: str, note: str = "") -> Any:
    return SimpleNamespace(agent=SimpleNamespace(key=key), note=note)


def table(**changed: Any) -> Any:
    row = {
        "pk": uuid.UUID(int=1),
        "first": dt.date(2026, 11, 30),
        "host": None,
        "seats": [seat("ana", "near"), seat("bob")],
        "plan": [{"key": "as stored"}],
        "guests": None,
        "closed_at": None,
    }
    return SimpleNamespace(**{**row, **changed})


def test_an_answer_is_rendered_from_the_paths_and_functions_of_its_fields() -> None:
    assert TableShape.render(table()) == {
        "id": "00000000-0000-0000-0000-000000000001",
        "from": "2026-11-30",
        "host": None,
        "seats": [{"key": "ana", "note": "near"}, {"key": "bob", "note": None}],
        "plan": [{"key": "as stored"}],
        "mood": "good",
        "closed_at": None,
    }


def test_an_optional_field_is_there_if_it_has_a_value() -> None:
    assert TableShape.render(table(guests=0))["guests"] == 0
    assert "guests" not in TableShape.render(table())


def test_a_moment_is_utc() -> None:
    summer = dt.datetime(2026, 6, 1, 12, tzinfo=dt.timezone(dt.timedelta(hours=2)))
    assert TableShape.render(table(closed_at=summer))["closed_at"] == "2026-06-01T10:00:00Z"


def test_drf_renders_it_the_same_way() -> None:
    row = table(host=seat("eve"))
    assert TableShape(row).data == TableShape.render(row)


def test_a_field_that_cannot_be_rendered_is_refused_where_it_is_written() -> None:
    with pytest.raises(AttributeError, match="pantheon_of"):
        type("PlainShape", (Shape,), {"name": serializers.CharField()})


def test_a_person_is_stated_once() -> None:
    person = User(email="alice@example.com", name="Alice", team=Team(name="Red"))
    as_self, as_managed = PersonShape.render(person), ManagedPersonShape.render(person)
    assert as_managed == {**as_self, "is_active": True}
    assert as_self["team"]["name"] == "Red"


def shapes(base: type[Shape] = Shape) -> Iterator[type[Shape]]:
    for shape in base.__subclasses__():
        yield shape
        yield from shapes(shape)


def test_every_described_field_is_rendered_and_every_rendered_one_described() -> None:
    described = document()["components"]["schemas"]
    ours = {shape.__name__: shape for shape in shapes() if not shape.__module__.startswith("pantheon.tests")}
    in_schema = {name: shape for name, shape in ours.items() if name in described}
    assert {"TurnShape", "StepShape", "UsageEventShape", "BudgetShape", "PersonShape"} <= set(in_schema)
    for name, shape in in_schema.items():
        assert set(described[name]["properties"]) == {field for field, *_ in shape._values}, name


def test_only_shapes_of_rows_that_clients_also_write_are_rendered_otherwise() -> None:
    described = {name for name in document()["components"]["schemas"] if name.endswith("Shape")}
    ours = {shape.__name__ for shape in shapes()}
    assert described - ours == {"InvitationShape", "NewInvitationShape", "RoomShape"}
