"""Labels for the ids in the rollup, looked up for the rows that are shown."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping
from typing import Any

from django.db import connection

from accounts.models import Team, User
from billing.models import ZERO_UUID, UsageEvent
from billing.models.flags import FLAG_CHOICES
from billing.selectors.keys import Key, db_value_of, fetch, key_of
from orchestration.engine.modes import MODES
from orchestration.engine.purposes import Purpose
from orchestration.models import LlmModel, Provider

MAX_IDS = 1000
"""Maximum ids per query; a page shows fewer."""

NOBODY = {
    "team": "no team",
    "room": "no room (direct chat)",
    "agent": "Manager and summaries",
    "user": "nobody",
}
MODELS: dict[str, tuple[Any, str]] = {
    "user": (User, "email"),
    "team": (Team, "name"),
    "model": (LlmModel, "alias"),
    "provider": (Provider, "name"),
}
KEY_LABELS = {
    "mode": {key: mode.label for key, mode in MODES.items()},
    "purpose": {purpose.value: purpose.label for purpose in Purpose},
}
SNAPSHOTS = {"team": "team_name", "room": "room_name", "agent": "agent_key"}

Labels = Mapping[tuple[str, Key], str]


def labels_for(keys: Mapping[str, Iterable[Key]], *, of_user: uuid.UUID | None = None) -> Labels:
    """Return (group, key) -> label; at most one query per group, and one for deleted teams.

    `of_user`: for keys that a user has named, who must not see the names in the events of others.
    """
    labels: dict[tuple[str, Key], str] = {}
    for group, group_keys in keys.items():
        ids = {key for key in group_keys if isinstance(key, uuid.UUID) and key != ZERO_UUID}
        names = names_of(group, ids, of_user)
        for key in group_keys:
            labels[group, key] = label_of(group, key, names)
    return labels


def names_of(group: str, ids: set[uuid.UUID], of_user: uuid.UUID | None) -> dict[uuid.UUID, str]:
    names: dict[uuid.UUID, str] = {}
    if ids and group in MODELS:
        model, field = MODELS[group]
        names = dict(model.objects.filter(pk__in=ids).values_list("pk", field))
    if group in SNAPSHOTS:
        names |= newest_snapshots(group, list(ids - names.keys()), of_user)
    return names


def newest_snapshots(group: str, ids: list[uuid.UUID], of_user: uuid.UUID | None) -> dict[uuid.UUID, str]:
    """Return the name in the newest event of each id (of one user).

    Raw SQL for one index lookup per id; the ORM would sort all events of all ids.
    """
    table, name = UsageEvent._meta.db_table, SNAPSHOTS[group]
    whose = "AND user_id = %s " if of_user else ""
    owner = [db_value_of("user", of_user)] if of_user else []
    names: dict[uuid.UUID, str] = {}
    for start in range(0, len(ids), MAX_IDS):
        part: list[Any] = [db_value_of(group, key) for key in ids[start : start + MAX_IDS]]
        # One array parameter: PostgreSQL handles it faster than a thousand parameters.
        as_one = connection.vendor == "postgresql"
        wanted = "SELECT unnest(%s::uuid[])" if as_one else f"VALUES {', '.join(['(%s)'] * len(part))}"
        rows = fetch(
            f"WITH wanted(id) AS ({wanted}) "
            f"SELECT id, (SELECT {name} FROM {table} WHERE {group}_id = wanted.id {whose}"
            f"ORDER BY created_at DESC LIMIT 1) FROM wanted",
            [*([part] if as_one else part), *owner],
        )
        names |= {uuid.UUID(str(key_of(group, key))): text for key, text in rows if text}
    return names


def label_of(group: str, key: Key, names: Mapping[uuid.UUID, str]) -> str:
    if not isinstance(key, uuid.UUID):
        if group == "flag":
            return FLAG_CHOICES.get(str(key), "")
        return KEY_LABELS.get(group, {}).get(str(key)) or str(key) or "none"
    if key == ZERO_UUID:
        return NOBODY.get(group, "none")
    name = names.get(key)
    if name is None:
        return f"deleted ({str(key)[:8]})"
    return f"@{name}" if group == "agent" else name
