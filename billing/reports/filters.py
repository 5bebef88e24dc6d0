"""Filters of reports, the same on the dashboard and in the API."""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

from accounts.models import Team, User
from billing.days import invalid_parameter
from billing.models import ZERO_UUID
from billing.models.flags import FLAG_CHOICES
from orchestration.engine.purposes import PURPOSES
from orchestration.models import LlmModel, Provider

NONE = "none"
"""Filter value for calls without a team, a room or an agent."""

MODE = re.compile(r"\A[a-z_]{1,16}\Z", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Filters:
    """The usage that a report covers; None means no restriction."""

    team: uuid.UUID | None = None
    user: uuid.UUID | None = None
    model: uuid.UUID | None = None
    provider: uuid.UUID | None = None
    room: uuid.UUID | None = None
    agent: uuid.UUID | None = None
    mode: str | None = None
    purpose: str | None = None
    flag: str | None = None
    """A key of FLAG_CHOICES."""

    def active(self) -> dict[str, uuid.UUID | str]:
        """Return the filters that are set, by name."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: value for name, value in values.items() if value is not None}

    def having(self, name: str, value: object) -> Filters:
        """Return a copy with one filter changed; None removes it."""
        change: dict[str, Any] = {name: value}
        return replace(self, **change)

    def query(self) -> dict[str, str]:
        """Return the query parameters of these filters, the inverse of `parse_filters`."""
        return {name: key_text(value) for name, value in self.active().items()}


def parse_filters(parameters: Mapping[str, str]) -> Filters:
    """Parse filters from a query string; empty values are ignored. Raises `invalid_parameter`.

    Teams, models and providers are accepted by id or name, users by id or email address.
    """
    values: dict[str, Any] = {}
    for name, parse in PARSERS.items():
        text = parameters.get(name, "").strip()
        if not text:
            continue
        value = None if "\x00" in text or len(text) > 254 else parse(text)
        if value is None:
            raise invalid_parameter(name, f"{name} is invalid.")
        values[name] = value
    return Filters(**values)


def key_text(value: object) -> str:
    """Return a report key as it appears in URLs and API answers."""
    return NONE if value == ZERO_UUID else str(value)


def as_uuid(text: str) -> uuid.UUID | None:
    try:
        return uuid.UUID(text)
    except ValueError:
        return None


def as_uuid_or_none(text: str) -> uuid.UUID | None:
    return ZERO_UUID if text == NONE else as_uuid(text)


def parse_team(text: str) -> uuid.UUID | None:
    return as_uuid_or_none(text) or Team.objects.filter(name=text).values_list("pk", flat=True).first()


def parse_user(text: str) -> uuid.UUID | None:
    email = User.normalize_email(text)
    return as_uuid(text) or User.objects.filter(email=email).values_list("pk", flat=True).first()


def parse_model(text: str) -> uuid.UUID | None:
    return as_uuid(text) or LlmModel.objects.filter(alias=text).values_list("pk", flat=True).first()


def parse_provider(text: str) -> uuid.UUID | None:
    return as_uuid(text) or Provider.objects.filter(name=text).values_list("pk", flat=True).first()


def parse_mode(text: str) -> str | None:
    return text if MODE.match(text) else None


def parse_purpose(text: str) -> str | None:
    return text if text in PURPOSES else None


def parse_flag(text: str) -> str | None:
    return text if text in FLAG_CHOICES else None


PARSERS: dict[str, Callable[[str], uuid.UUID | str | None]] = {
    "team": parse_team,
    "user": parse_user,
    "model": parse_model,
    "provider": parse_provider,
    "room": as_uuid_or_none,
    "agent": as_uuid_or_none,
    "mode": parse_mode,
    "purpose": parse_purpose,
    "flag": parse_flag,
}
