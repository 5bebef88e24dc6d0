"""Rows that staff select in the administration: autocomplete fields, and the rows of an action."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.widgets import AutocompleteSelect
from django.core.exceptions import BadRequest, ValidationError
from django.db.models import ForeignKey, Model
from django.http import HttpRequest

if TYPE_CHECKING:
    _Base = admin.ModelAdmin
else:
    _Base = object


class IdSelect(AutocompleteSelect):
    """A row with autocomplete. Ignores posted values that are not ids: Django would raise on them."""

    def optgroups(self, name: str, value: Sequence[str], attrs: dict[str, Any] | None = None) -> list[Any]:
        return super().optgroups(name, [text for text in value if is_id(text)], attrs)


class IdSelectAdmin(_Base):
    """Uses IdSelect for `autocomplete_fields`."""

    def formfield_for_foreignkey(
        self, db_field: ForeignKey[Any, Any], request: HttpRequest, **options: Any
    ) -> Any:
        if db_field.name in self.get_autocomplete_fields(request):
            options["widget"] = IdSelect(db_field, self.admin_site)
        return super().formfield_for_foreignkey(db_field, request, **options)


def require_ids(request: HttpRequest, model: type[Model]) -> None:
    """Raise BadRequest if an action is posted for rows whose ids cannot exist: Django would raise on them."""
    key = model._meta.pk
    assert key is not None
    try:
        for text in request.POST.getlist(ACTION_CHECKBOX_NAME):
            key.clean(text, None)
    except ValidationError as error:
        raise BadRequest("A selected row has no valid id.") from error


def is_id(text: object) -> bool:
    try:
        uuid.UUID(str(text))
    except ValueError:
        return False
    return True
