"""Links from an admin change page to related pages, such as changelists filtered by the row.

Pages are given by URL name, so that a package can link to models that it must not import.
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
    """A link that is shown to users with the permission."""

    text: str
    url: str
    permission: str


def changelist_link(text: str, table: str, **query: object) -> AdminLink:
    """Return a link to a filtered changelist. `table` is app label and model, as in `accounts_user`."""
    return AdminLink(text, address(f"admin:{table}_changelist", query), permission("view", table))


def change_link(text: str, table: str, pk: object) -> AdminLink:
    return AdminLink(text, reverse(f"admin:{table}_change", args=[pk]), permission("view", table))


def costs_link(**query: object) -> AdminLink:
    """Return a link to *Costs*, filtered by user, team, room, ..."""
    return AdminLink("Costs", address("costs", query), "billing.view_usageevent")


def budget_links(scope: str, pk: object) -> list[AdminLink]:
    """Return links to the budgets of a team, user or room, and to the form for a new one."""
    add = address("admin:billing_budget_add", {"scope": scope, scope: pk})
    return [
        changelist_link("Budgets", "billing_budget", target_id__exact=pk),
        AdminLink("Set budget", add, "billing.add_budget"),
    ]


def address(name: str, query: dict[str, object]) -> str:
    return f"{reverse(name)}?{urlencode(query)}"


def permission(action: str, table: str) -> str:
    """Return a permission name. Only the last underscore separates: app labels may contain some, model names cannot."""
    label, _, model = table.rpartition("_")
    return f"{label}.{action}_{model}"


class LinkedAdmin(_Base):
    """Show links to related pages above the change form."""

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
