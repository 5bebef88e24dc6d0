"""Serializer fields shared by several API resources."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import ValidationError
from rest_framework import serializers

from orchestration.engine.efforts import EFFORTS
from orchestration.models import LlmModel, alias_validator
from sessions.models import MessageFile
from sessions.models.modes import asked_modes


class AskedModeField(serializers.ChoiceField):
    """A mode that a turn may request."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(choices=asked_modes(), **kwargs)


class FilesField(serializers.ListField):
    """Ids of files that a message brings; `files_to_send` finds them. One that does not exist is a 404, not a 422."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(
            child=serializers.CharField(max_length=64),
            max_length=MessageFile.MOST_PER_MESSAGE,
            required=False,
            **kwargs,
        )


class EffortField(serializers.ChoiceField):
    """A reasoning effort; null, and empty in the database, is the model's own."""

    def __init__(self, **kwargs: Any) -> None:
        kwargs.setdefault("allow_null", True)
        kwargs.setdefault("required", False)
        super().__init__(choices=EFFORTS, **kwargs)

    def to_representation(self, value: Any) -> Any:
        return super().to_representation(value) or None


class ModelAliasField(serializers.SlugRelatedField):
    """A catalogue model by its alias; null is the instance's default."""

    default_error_messages = {
        "does_not_exist": "No enabled model has this alias: GET /api/v1/models lists them.",
        "invalid": "Send the alias of a model, or null.",
        "null": "Send the alias of a model.",
    }

    def __init__(self, **kwargs: Any) -> None:
        kwargs.setdefault("allow_null", True)
        kwargs.setdefault("required", False)
        super().__init__(slug_field="alias", queryset=LlmModel.objects.enabled(), **kwargs)

    def to_internal_value(self, data: Any) -> Any:
        if not isinstance(data, str):
            self.fail("invalid")
        try:
            alias_validator(data)
        except ValidationError:  # not even a text that every database can query
            self.fail("does_not_exist")
        return super().to_internal_value(data)
