"""The column that search reads: a text folded when it is saved (`sessions.search_text`)."""

from __future__ import annotations

from typing import Any

from django.db import models

from sessions.search_text import fold


class SearchTextField(models.TextField):
    """Another field of the row, folded. Text of people, as that field is."""

    def __init__(self, *args: Any, of: str, **kwargs: Any) -> None:
        self.of = of
        super().__init__(*args, **{"blank": True, "db_default": "", "editable": False, **kwargs})

    def deconstruct(self) -> Any:
        name, path, args, kwargs = super().deconstruct()
        return name, path, args, {**kwargs, "of": self.of}

    def pre_save(self, model_instance: models.Model, add: bool) -> str:
        folded = fold(getattr(model_instance, self.of))
        setattr(model_instance, self.attname, folded)
        return folded


class SearchTextUpdates:
    """Mixin of querysets: `search_text` changes with the text that it is made of."""

    def update(self: Any, **changes: Any) -> int:
        field = self.model._meta.get_field("search_text")
        assert isinstance(field, SearchTextField)
        if field.of in changes:
            changes["search_text"] = fold(changes[field.of])
        updated: int = super().update(**changes)  # type: ignore[misc]
        return updated
