"""The ready-made roles: groups with the permissions of staff who have one of the usual tasks.

Permissions are named, so that roles can hold those of packages that `accounts` must not import.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from django.contrib.auth.models import Group, Permission


@dataclass(frozen=True, slots=True)
class Ability:
    """What a set of permissions allows, in words."""

    words: str
    permissions: frozenset[str]
    """As `app_label.codename`."""


def ability(words: str, **codenames: str) -> Ability:
    """Return an ability. `codenames`: app label -> codenames, separated by spaces."""
    named = {f"{label}.{name}" for label, names in codenames.items() for name in names.split()}
    return Ability(words, frozenset(named))


COSTS = ability("see costs, calls and the ledger audit", billing="view_usageevent view_dailyusage")
BUDGETS = ability("set budgets", billing="view_budget add_budget change_budget delete_budget")
PRICES = ability("set prices", billing="view_modelprice add_modelprice")
SEE_PEOPLE = ability("see users and teams", accounts="view_user view_team")
PEOPLE = ability(
    "invite, rename and suspend users, manage teams and delete API tokens",
    accounts="view_user change_user view_team add_team change_team view_apitoken delete_apitoken"
    " view_invitation add_invitation change_invitation delete_invitation",
)
SEE_MODELS = ability("see providers and models", orchestration="view_provider view_llmmodel")
MODELS = ability(
    "manage providers and models",
    orchestration="view_provider change_provider view_llmmodel add_llmmodel change_llmmodel delete_llmmodel",
)
STRUCTURE = ability(
    "see rooms, agents, sessions and turns, without what was written",
    chat_sessions="view_room view_agent view_chatsession view_turn view_call",
)
AUDIT = ability("read the audit log", accounts="view_auditentry")
GROUPS = ability("see groups", auth="view_group")
READ = ability(
    "read conversations, if PANTHEON_STAFF_READ_MESSAGES is on (each access is logged)",
    chat_sessions="view_message view_summary",
)

ABILITIES = (
    *(COSTS, BUDGETS, PRICES, PEOPLE, SEE_PEOPLE, MODELS, SEE_MODELS, STRUCTURE, AUDIT, GROUPS, READ),
)


@dataclass(frozen=True, slots=True)
class Role:
    """A ready-made group."""

    name: str
    abilities: tuple[Ability, ...]

    @property
    def permissions(self) -> frozenset[str]:
        return frozenset().union(*(each.permissions for each in self.abilities))


ROLES = (
    Role("Owner", (COSTS, BUDGETS, PRICES, PEOPLE, MODELS, STRUCTURE, AUDIT, GROUPS, READ)),
    Role("Admin", (COSTS, PRICES, PEOPLE, MODELS, STRUCTURE, AUDIT)),
    Role("Billing", (COSTS, BUDGETS, PRICES, SEE_PEOPLE, SEE_MODELS)),
    Role("Member", ()),
)


def abilities_text(permissions: Collection[str]) -> str:
    """Return in words what permissions allow, also those of a group that is not ready-made."""
    if not permissions:
        return "May use rooms and agents. No access to the administration."
    granted = [each for each in ABILITIES if each.permissions <= set(permissions)]
    # The lesser of two abilities is part of the greater one.
    shown = [each for each in granted if not any(each.permissions < other.permissions for other in granted)]
    left = len(set(permissions) - set().union(*(each.permissions for each in shown)))
    words = [each.words for each in shown]
    if left:
        words.append(f"use {left} {'other ' if shown else ''}permission{'s' if left > 1 else ''}")
    return f"May {'; '.join(words)}."


def names_of(group: Group) -> list[str]:
    """Return the names of a group's permissions; no statement if they are prefetched with their content types."""
    permissions = group.permissions.all()
    if "permissions" not in getattr(group, "_prefetched_objects_cache", {}):
        permissions = permissions.select_related("content_type")
    return sorted(map(name_of, permissions))


def name_of(permission: Permission) -> str:
    return f"{permission.content_type.app_label}.{permission.codename}"
