"""Ways from the page of a row to what belongs to it: lists, filtered to it, and other pages of the administration.

Pages are named by their URL names, so that a package leads to what it must not import.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.urls import reverse

if TYPE_CHECKING:
    _Base = admin.ModelAdmin
else:
    _Base = object


@dataclass(frozen=True, slots=True)
class AdminLink:
    """A link for those who have the permission."""

    text: str
    url: str
    permission: str


def changelist_link(text: str, table: str, **query: object) -> AdminLink:
    """Return the way to a table's list, filtered. `table` is app label and model, as in `accounts_user`."""
    return AdminLink(text, address(f"admin:{table}_changelist", query), permission("view", table))


def change_link(text: str, table: str, pk: object) -> AdminLink:
    return AdminLink(text, reverse(f"admin:{table}_change", args=[pk]), permission("view", table))


def costs_link(**query: object) -> AdminLink:
    """Return the way to the costs of a person, a team, a room, ..."""
    return AdminLink("Costs", address("costs", query), "billing.view_usageevent")


def budget_links(scope: str, pk: object) -> list[AdminLink]:
    """Return the ways to the budgets of a team, a person or a room, and to a new one."""
    add = address("admin:billing_budget_add", {"scope": scope, scope: pk})
    return [
        changelist_link("Budgets", "billing_budget", target_id__exact=pk),
        AdminLink("Set a budget", add, "billing.add_budget"),
    ]


def address(name: str, query: dict[str, object]) -> str:
    return f"{reverse(name)}?{urlencode(query)}"


def permission(action: str, table: str) -> str:
    """Return the name of a permission. A label may have underscores of its own; a model's name has none."""
    label, _, model = table.rpartition("_")
    return f"{label}.{action}_{model}"


class LinkedAdmin(_Base):
    """Shows, above the form of a row, the ways from it."""

    def links(self, row: Any) -> Sequence[AdminLink]:
        raise NotImplementedError

    def render_change_form(
        self,
        request: HttpRequest,
        context: dict[str, Any],
        add: bool = False,
        change: bool = False,
        form_url: str = "",
        obj: Any = None,
    ) -> HttpResponse:
        links = [] if obj is None else self.links(obj)
        context["links"] = [link for link in links if request.user.has_perm(link.permission)]
        return super().render_change_form(request, context, add, change, form_url, obj)
