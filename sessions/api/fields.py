"""Fields that the resources of the API share."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from orchestration.models import LlmModel


class ModelAliasField(serializers.SlugRelatedField):
    """A catalogue model by its alias; null is the instance's default."""

    def __init__(self, **kwargs: Any) -> None:
        kwargs.setdefault("allow_null", True)
        kwargs.setdefault("required", False)
        super().__init__(slug_field="alias", queryset=LlmModel.objects.enabled(), **kwargs)
