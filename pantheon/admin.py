"""The administration site."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.contrib import admin
from django.contrib.admin.apps import AdminConfig
from django.contrib.auth import REDIRECT_FIELD_NAME
from django.core.exceptions import BadRequest, PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse

from web.error_rendering import error_page
from web.errors import PantheonError

CONTROL_CHARACTER = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
"""Without tab and line ends, which a pasted search may contain."""

Page = dict[str, Any]
"""An entry of the index as Django's templates expect it: `name`, `object_name`, `admin_url`, `add_url`, ..."""


@dataclass(frozen=True, slots=True)
class ReportPage:
    """An admin page that is not the changelist of a model."""

    name: str
    url_name: str
    permission: str


GROUPS: tuple[tuple[str, tuple[str | ReportPage, ...]], ...] = (
    (
        "Billing",
        (
            ReportPage("Costs", "costs", "billing.view_usageevent"),
            ReportPage("Costs by team and month", "costs-teams", "billing.view_usageevent"),
            "billing.Budget",
            "billing.UsageEvent",
            ReportPage("Ledger audit", "ledger-audit", "billing.view_usageevent"),
        ),
    ),
    ("People", ("accounts.User", "accounts.Team", "accounts.Invitation", "accounts.ApiToken", "auth.Group")),
    (
        "Conversations",
        (
            *("chat_sessions.Turn", "chat_sessions.ChatSession", "chat_sessions.Room"),
            *("chat_sessions.Agent", "chat_sessions.Call", "chat_sessions.Message", "chat_sessions.Summary"),
        ),
    ),
    (
        "Models",
        (
            "orchestration.Provider",
            "orchestration.LlmModel",
            ReportPage("Current prices", "admin:billing_modelprice_current", "billing.view_modelprice"),
            "billing.ModelPrice",
        ),
    ),
    ("Audit", ("accounts.AuditEntry",)),
)
"""The groups of the admin index: reports, and models by label."""

UNLISTED = ("billing.DailyUsage",)
"""Tables that reports show better."""


class PantheonAdminSite(admin.AdminSite):
    site_header = "Pantheon administration"
    site_title = "Pantheon"
    index_title = "Administration"
    enable_nav_sidebar = True

    def admin_view(self, view: Callable[..., Any], cacheable: bool = False) -> Any:
        """Show what a service refuses as a page with its sentence; the view's transaction has been rolled back.

        Refuses addresses with control characters.
        """

        @functools.wraps(view)
        def shown(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
            if has_control_characters(request):
                raise BadRequest("The address contains a control character.")
            try:
                return view(request, *args, **kwargs)
            except PantheonError as error:
                return error_page(request, error)

        return super().admin_view(shown, cacheable)

    def login(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Redirect to our sign-in page, which limits attempts; 403 for signed-in users without access."""
        if self.has_permission(request):
            return redirect("admin:index")
        if request.user.is_authenticated:
            raise PermissionDenied
        from django.contrib.auth.views import (
            redirect_to_login,  # its forms need the user model, which is loaded later
        )

        return redirect_to_login(request.GET.get(REDIRECT_FIELD_NAME) or reverse("admin:index"))

    def password_change(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        """Redirect to the account page, the only one that checks the current password, with limited attempts."""
        return redirect("account")

    def password_change_done(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        return redirect("account")

    def index(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        """Show what needs attention above the list of pages."""
        from accounts.access import asker  # models are loaded later than this module
        from pantheon.overview import overview_for

        parts = overview_for(asker(request))
        return super().index(request, {**(extra_context or {}), "overview": parts})

    def app_index(
        self, request: HttpRequest, app_label: str, extra_context: dict[str, Any] | None = None
    ) -> Any:
        """Redirect to the index, which has all pages; packages are no areas of people."""
        return redirect("admin:index")

    def get_app_list(self, request: HttpRequest, app_label: str | None = None) -> list[dict[str, Any]]:
        """Return the index in our groups."""
        apps = super().get_app_list(request)
        tables = {page["model"]._meta.label: page for app in apps for page in app["models"]}
        groups = [
            (title, [page for part in parts if (page := page_of(part, tables, request)) is not None])
            for title, parts in GROUPS
        ]
        groups.append(("More", [page for label, page in tables.items() if label not in UNLISTED]))
        mark_current([page for _, pages in groups for page in pages], request.path)
        return [
            {"name": title, "app_label": title.lower(), "app_url": "", "models": pages}
            for title, pages in groups
            if pages
        ]


def has_control_characters(request: HttpRequest) -> bool:
    """Return whether path or query contain a character that nobody types.

    Django's filters pass what they get to the database, and PostgreSQL rejects NUL.
    """
    query = (text for name, values in request.GET.lists() for text in (name, *values))
    return any(CONTROL_CHARACTER.search(text) for text in (request.path, *query))


def page_of(part: str | ReportPage, tables: dict[str, Page], request: HttpRequest) -> Page | None:
    """Return the entry of a page, None without permission. Removes a model from `tables`, which keeps the ungrouped."""
    if isinstance(part, str):
        return tables.pop(part, None)
    if not request.user.has_perm(part.permission):
        return None
    return {"name": part.name, "object_name": part.url_name, "admin_url": reverse(part.url_name)}


def mark_current(pages: list[Page], path: str) -> None:
    """Mark the entry of the current page: the one with the longest URL that `path` starts with."""
    above = [page for page in pages if path.startswith(page.get("admin_url") or "//")]
    for page in sorted(above, key=lambda page: len(page["admin_url"]))[-1:]:
        page["current"] = True


class PantheonAdminConfig(AdminConfig):
    default_site = "pantheon.admin.PantheonAdminSite"
