"""Admin pages that record every write in the audit log, in the same transaction."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.db import transaction
from django.http import HttpRequest, HttpResponse

from accounts.services.audit import audit_record, values_of
from web.admin.selects import require_ids

if TYPE_CHECKING:
    _Base = admin.ModelAdmin
else:
    _Base = object


def actor_of(request: HttpRequest) -> uuid.UUID | None:
    return request.user.pk


class AuditedAdmin(_Base):
    """Record additions, changes and deletions at the hooks with which Django writes its own log."""

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> Any:
        row = super().get_object(request, object_id, from_field)
        if row is not None and request.method == "POST":
            request.audit_before = values_of(row)  # type: ignore[attr-defined]
        return row

    def log_addition(self, request: HttpRequest, obj: Any, message: Any) -> Any:
        audit_record(actor_id=actor_of(request), action="add", row=obj, after=values_of(obj))
        return super().log_addition(request, obj, message)

    def log_change(self, request: HttpRequest, obj: Any, message: Any) -> Any:
        before = getattr(request, "audit_before", {})
        audit_record(
            actor_id=actor_of(request), action="change", row=obj, before=before, after=values_of(obj)
        )
        return super().log_change(request, obj, message)

    def log_deletions(self, request: HttpRequest, queryset: Any) -> Any:
        for row in queryset:
            audit_record(actor_id=actor_of(request), action="delete", row=row, before=values_of(row))
        return super().log_deletions(request, queryset)

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        """Run an action on many rows in one transaction, which showing the list does not need."""
        if request.method != "POST":
            return super().changelist_view(request, extra_context)
        require_ids(request, self.model)
        with transaction.atomic():
            return super().changelist_view(request, extra_context)
