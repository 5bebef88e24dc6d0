"""Users in the administration, with what they spend and when they were last seen, which accounts cannot know."""

from __future__ import annotations

import datetime as dt
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from accounts.admin.people import PersonAdmin
from accounts.models import Invitation, User
from billing.days import month_of, utc_today
from billing.selectors.people import SEEN_AT, last_seen, with_activity, with_spend
from billing.texts.money import money
from web.admin.links import address

INVITED = 10
"""Open invitations below the list; the list of invitations has all."""


class StateFilter(admin.SimpleListFilter):
    title = parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("active", "Active"), ("suspended", "Suspended"), ("new", "Never signed in")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[User]) -> QuerySet[User]:
        match self.value():
            case "active":
                return queryset.filter(is_active=True)
            case "suspended":
                return queryset.filter(is_active=False)
            case "new":
                return queryset.filter(is_active=True, last_login=None)
        return queryset


class RoleFilter(admin.SimpleListFilter):
    """By access to the administration. Groups have a filter of their own."""

    title = parameter_name = "access"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("superuser", "Superusers"), ("staff", "Staff"), ("none", "No administration")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[User]) -> QuerySet[User]:
        match self.value():
            case "superuser":
                return queryset.filter(is_superuser=True)
            case "staff":
                return queryset.filter(is_staff=True)
            case "none":
                return queryset.filter(is_staff=False, is_superuser=False)
        return queryset


@admin.register(User)
class SpendingPersonAdmin(PersonAdmin):
    """Users with team, role, spend this month, last seen and state: a fixed number of statements."""

    change_list_template = "admin/accounts/user/change_list.html"
    list_display = ("person", "team", "role", "spend", "seen", "state")
    list_display_links = ("person",)
    list_filter = (StateFilter, RoleFilter, "groups", "team")

    def get_queryset(self, request: HttpRequest) -> QuerySet[User]:
        users = super().get_queryset(request)
        if request.resolver_match and request.resolver_match.url_name == "accounts_user_changelist":
            users = with_activity(users).prefetch_related("groups")
            if may_see_costs(request):
                users = with_spend(users, month_of(utc_today()))
        return users

    def get_list_display(self, request: HttpRequest) -> Any:
        shown = super().get_list_display(request)
        return [name for name in shown if name != "spend" or may_see_costs(request)]

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        context = {**(extra_context or {}), "invited": invited(request)}
        return super().changelist_view(request, context)

    @admin.display(description="Name", ordering="email")
    def person(self, user: User) -> SafeString | str:
        if not user.name:
            return user.email
        return format_html('{}<small class="cell-note">{}</small>', user.name, user.email)

    @admin.display(description="Role")
    def role(self, user: User) -> str:
        if user.is_superuser:
            return "Superuser"
        groups = ", ".join(group.name for group in user.groups.all())
        return groups or ("Staff" if user.is_staff else "Member")

    @admin.display(description="This month", ordering="spent_pico")
    def spend(self, user: Any) -> SafeString:
        cost = money(user.spent_pico)
        url = address("costs", {"range": "month", "user": user.pk})
        return format_html('<a href="{}" title="{} USD">{}</a>', url, cost.exact, cost.text)

    @admin.display(description="Last seen", ordering=SEEN_AT, empty_value="Never")
    def seen(self, user: Any) -> dt.date | None:
        """Return a day, as usage is known by day."""
        at = last_seen(
            last_login=user.last_login,
            token_used_at=user.token_used_at,
            last_usage_on=user.last_usage_on,
        )
        return at.date() if isinstance(at, dt.datetime) else at

    @admin.display(description="State", ordering="is_active")
    def state(self, user: User) -> SafeString:
        text, tone = ("Active", "good") if user.is_active else ("Suspended", "bad")
        return format_html('<span class="state state-{}">{}</span>', tone, text)


def may_see_costs(request: HttpRequest) -> bool:
    return request.user.has_perm("billing.view_usageevent")


def invited(request: HttpRequest) -> dict[str, Any] | None:
    """Return the newest open invitations, for staff who may see them, on the first page of the whole list."""
    if request.GET or not request.user.has_perm("accounts.view_invitation"):
        return None
    rows = list(Invitation.objects.open().select_related("team", "created_by")[: INVITED + 1])
    return {
        "rows": rows[:INVITED],
        "more": len(rows) > INVITED,
        "all": reverse("admin:accounts_invitation_changelist"),
    }
