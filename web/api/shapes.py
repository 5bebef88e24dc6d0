"""Building blocks for response shapes in the OpenAPI schema. They describe responses and validate nothing."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers


def text(help_text: str, **options: Any) -> Any:
    return serializers.CharField(help_text=help_text, **options)


def identifier(help_text: str, **options: Any) -> Any:
    return serializers.UUIDField(help_text=help_text, **options)


def count(help_text: str, **options: Any) -> Any:
    return serializers.IntegerField(help_text=help_text, **{"min_value": 0, **options})


def flag(help_text: str, **options: Any) -> Any:
    return serializers.BooleanField(help_text=help_text, **options)


def moment(help_text: str, **options: Any) -> Any:
    return serializers.DateTimeField(help_text=f"{help_text} RFC 3339, UTC.", **options)


def usd(help_text: str, **options: Any) -> Any:
    return serializers.RegexField(
        r"^-?\d+(\.\d+)?$", help_text=f"{help_text} USD, a decimal as a string.", **options
    )


def one_of(help_text: str, *choices: str, **options: Any) -> Any:
    return serializers.ChoiceField(choices=list(choices), help_text=help_text, **options)


class TeamShape(serializers.Serializer[Any]):
    id = identifier("The team.")
    name = text("Its name.")


class PersonShape(serializers.Serializer[Any]):
    id = identifier("The account.")
    email = serializers.EmailField(help_text="The address they sign in with.")
    name = text("Display name; may be empty.", allow_blank=True)
    team = TeamShape(allow_null=True, help_text="The team whose budgets and reports include their usage.")
    is_staff = flag("May use the administration.")


class ManagedPersonShape(PersonShape):
    is_active = flag("Not suspended.")
