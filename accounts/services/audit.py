"""Writes to the audit log."""

from __future__ import annotations

import json
import uuid
from typing import Any

from django.core.serializers.json import DjangoJSONEncoder
from django.db import models

from accounts.models import AuditEntry

SECRET_FIELDS = frozenset({"password", "digest"})
"""Fields whose values are never logged, only that they changed."""
CHANGED = "(changed)"
NOT_A_CHANGE = frozenset({"last_login", "last_used_at"})

Values = dict[str, Any]


def values_of(row: models.Model) -> Values:
    """Return a row's stored values, including ids of related rows; {} if the row is not in the database.

    Includes secrets, for comparison. `audit_record` removes them before anything is logged.
    """
    stored = type(row)._base_manager.filter(pk=row.pk).first()
    if stored is None:
        return {}
    values: Values = {
        field.attname: field.value_from_object(stored)
        for field in stored._meta.concrete_fields
        if field.name not in NOT_A_CHANGE
    }
    for relation in stored._meta.many_to_many:
        related = getattr(stored, relation.name).order_by("pk")
        values[relation.name] = [str(other) for other in related]
    return values


def audit_record(
    *,
    actor_id: uuid.UUID | None,
    action: str,
    row: models.Model,
    before: Values | None = None,
    after: Values | None = None,
    label: str = "",
) -> AuditEntry | None:
    """Record an action on a row (inside the transaction of the action).

    `before` and `after` are values by field. For a change only the differing fields are stored; without any, nothing is
    recorded and None returned. `label` replaces the row's name if that must not be logged.
    """
    old, new = before or {}, after or {}
    if old and new:
        names = [name for name in new if old.get(name) != new[name]]
        if not names:
            return None
        old, new = {name: old.get(name) for name in names}, {name: new[name] for name in names}
    return AuditEntry.objects.create(
        actor_id=actor_id,
        action=action,
        object_type=row._meta.label,
        object_id=str(row.pk),
        object_label=(label or str(row))[:200],
        before=without_secrets(old, both=bool(new)),
        after=without_secrets(new, both=bool(old)),
    )


def without_secrets(values: Values, *, both: bool) -> Values:
    """Return JSON-ready values without secrets. `both`: a change, for which a secret's value becomes CHANGED."""
    safe = {
        name: CHANGED if name in SECRET_FIELDS else value
        for name, value in values.items()
        if both or name not in SECRET_FIELDS
    }
    plain: Values = json.loads(json.dumps(safe, cls=DjangoJSONEncoder))
    return plain
