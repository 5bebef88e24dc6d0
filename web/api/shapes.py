"""Shapes: each states an answer of the API once. Its fields describe it in the OpenAPI schema and render it.

class TeamShape(Shape):
    id = identifier("The team.", of="pk")
    name = text("Its name.")

TeamShape.render(team)  # {"id": "…", "name": "…"}
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from operator import attrgetter
from typing import Any, ClassVar

from rest_framework import serializers

from web.rfc3339 import rfc3339

Of = str | Callable[[Any], Any] | None
"""Where a field takes its value from: the path of an attribute of the row, or a function of it. None: its own name."""

Value = Callable[[Any], Any]


class Shape(serializers.Serializer[Any]):
    # An answer, or a part of one. A `_` at the end of a field's name is not part of it: `from_` is `from`. A field that
    # is not required is left out if its value is None. Not a docstring, because the schema would show it: the
    # docstring of a shape is its public description, so what it is rendered from is a comment.

    _values: ClassVar[tuple[tuple[str, Value, Value | None], ...]] = ()
    _optional: ClassVar[tuple[str, ...]] = ()

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        declared: dict[str, Any] = cls._declared_fields
        fields = {name.rstrip("_"): (name, field) for name, field in declared.items()}
        cls._values = tuple(
            (name, value_of(own_name, field.pantheon_of), field.pantheon_convert)
            for name, (own_name, field) in fields.items()
        )
        cls._optional = tuple(name for name, (_, field) in fields.items() if not field.required)

    def get_fields(self) -> dict[str, Any]:
        return {name.rstrip("_"): field for name, field in super().get_fields().items()}

    @classmethod
    def render(cls, row: Any) -> Any:
        """Return the answer for a row; None for None."""
        if row is None:
            return None
        # Not with DRF's fields: these take ten times as long, and a page of turns has thousands of values.
        answer = {
            name: value(row) if convert is None else convert(value(row))
            for name, value, convert in cls._values
        }
        for name in cls._optional:
            if answer[name] is None:
                del answer[name]
        return answer

    @classmethod
    def render_all(cls, rows: Iterable[Any] | None) -> list[Any] | None:
        return None if rows is None else [cls.render(row) for row in rows]

    def to_representation(self, instance: Any) -> Any:
        return self.render(instance)


def value_of(name: str, of: Of) -> Value:
    return of if callable(of) else attrgetter(of or name)


def stated(field: Any, of: Of, convert: Value | None = None) -> Any:
    """Return a field of a Shape: `of` takes its value from the row, `convert` makes JSON of the value."""
    field.pantheon_of, field.pantheon_convert = of, convert
    return field


def text_or_none(value: Any) -> str | None:
    return None if value is None else str(value)


def filled_or_none(value: Any) -> Any:
    return value or None


def text(help_text: str, of: Of = None, **options: Any) -> Any:
    """Return a text; if it may be null, an empty one is null."""
    field = serializers.CharField(help_text=help_text, **options)
    return stated(field, of, filled_or_none if options.get("allow_null") else None)


def identifier(help_text: str, of: Of = None, **options: Any) -> Any:
    return stated(serializers.UUIDField(help_text=help_text, **options), of, text_or_none)


def count(help_text: str, of: Of = None, **options: Any) -> Any:
    return stated(serializers.IntegerField(help_text=help_text, **{"min_value": 0, **options}), of)


def number(help_text: str, of: Of = None, **options: Any) -> Any:
    return stated(serializers.FloatField(help_text=help_text, **options), of)


def flag(help_text: str, of: Of = None, **options: Any) -> Any:
    return stated(serializers.BooleanField(help_text=help_text, **options), of)


def moment(help_text: str, of: Of = None, **options: Any) -> Any:
    field = serializers.DateTimeField(help_text=f"{help_text} RFC 3339, UTC.", **options)
    return stated(field, of, moment_or_none if options.get("allow_null") else rfc3339)


def moment_or_none(value: Any) -> str | None:
    return None if value is None else rfc3339(value)


def day(help_text: str, of: Of = None, **options: Any) -> Any:
    return stated(serializers.DateField(help_text=help_text, **options), of, text_or_none)


def one_of(help_text: str, *choices: Any, of: Of = None, **options: Any) -> Any:
    field = serializers.ChoiceField(choices=list(choices), help_text=help_text, **options)
    return stated(field, of, filled_or_none if options.get("allow_null") else None)


def values(help_text: str, child: Any, of: Of = None, **options: Any) -> Any:
    """Return a list of plain values."""
    return stated(serializers.ListField(child=child, help_text=help_text, **options), of)


def mapping(help_text: str, of: Of = None, **options: Any) -> Any:
    return stated(serializers.DictField(help_text=help_text, **options), of)


def part(help_text: str, shape: type[Shape], of: Of = None, **options: Any) -> Any:
    """Return an answer within an answer, rendered from the value."""
    return stated(shape(help_text=help_text, **options), of, shape.render)


def parts(help_text: str, shape: type[Shape], of: Of = None, **options: Any) -> Any:
    """Return a list of answers within an answer."""
    return stated(shape(many=True, help_text=help_text, **options), of, shape.render_all)


def stored(field: Any) -> Any:
    """Return a part or parts whose value is stored as JSON and is answered as it is."""
    field.pantheon_convert = None
    return field


class TeamShape(Shape):
    id = identifier("The team.", of="pk")
    name = text("Its name.")


class PersonShape(Shape):
    id = identifier("The account.", of="pk")
    email = stated(serializers.EmailField(help_text="The address they sign in with."), None)
    name = text("Display name; may be empty.", allow_blank=True)
    team = part("The team whose budgets and reports include their usage.", TeamShape, allow_null=True)
    is_staff = flag("May use the administration.")


class ManagedPersonShape(PersonShape):
    is_active = flag("Not suspended.")
