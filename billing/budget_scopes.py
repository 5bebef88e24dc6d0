"""The scopes of budgets, one row each: texts, and the table of the targets."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from accounts.models import Team, User
from billing.models import Budget


@dataclass(frozen=True, slots=True)
class ScopeRow:
    """One scope. `{name}` in a text is its target's name."""

    title: str
    """Title of a budget for staff."""
    to_me: str
    """Title for a person whom it binds."""
    to_each: str
    """The same for a per-member budget."""
    mine: str
    """The same two in a sentence, with `{period}` as in "your monthly budget"."""
    each_mine: str
    possessive: str
    """Owner in sentences for a person whom it binds: `<possessive> budget`."""
    table: str = ""
    """The administration's name for the table of its targets; empty: it has no target. Forms and filters call the
    target as the scope itself."""
    model: Any = None
    """The targets' model; None for rooms, which billing only knows through the port `Rooms`."""


SCOPES: dict[str, ScopeRow] = {
    Budget.Scope.EVERYONE: ScopeRow(
        "Everyone",
        "Shared budget",
        "Your budget",
        "the shared {period} budget",
        "your {period} budget",
        "the shared",
    ),
    Budget.Scope.TEAM: ScopeRow(
        "Team {name}",
        "Budget of team {name}",
        "Your budget in team {name}",
        "the {period} budget of team {name}",
        "your {period} budget in team {name}",
        "your team's",
        table="accounts_team",
        model=Team,
    ),
    Budget.Scope.USER: ScopeRow(
        "{name}",
        "Your budget",
        "Your budget",
        "your {period} budget",
        "your {period} budget",
        "your",
        table="accounts_user",
        model=User,
    ),
    Budget.Scope.ROOM: ScopeRow(
        "Room {name}",
        "Budget of room {name}",
        "Your budget in room {name}",
        "the {period} budget of room {name}",
        "your {period} budget in room {name}",
        "this room's",
        table="chat_sessions_room",
    ),
}
TARGETED = [str(scope) for scope, row in SCOPES.items() if row.table]


def owner_for_person(scope: str, applies: str) -> str:
    """Return whose budget it is to a person whom it binds, as in "your team's budget"."""
    return "your" if applies == Budget.Applies.EACH else SCOPES[scope].possessive


def owners_for_people() -> dict[str, dict[str, str]]:
    """Return `owner_for_person` by scope and `applies`."""
    return {
        str(scope): {str(applies): owner_for_person(scope, applies) for applies in Budget.Applies.values}
        for scope in SCOPES
    }
