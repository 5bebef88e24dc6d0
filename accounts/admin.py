"""People, teams and API tokens in the administration."""

from __future__ import annotations

from typing import Any, ClassVar

from django.contrib import admin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.forms import BaseUserCreationForm, UserChangeForm
from django.db.models import Count, QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from accounts.admin_readonly import HidingAdmin
from accounts.models import ApiToken, Team, User
from accounts.services import token_delete


class PersonCreationForm(BaseUserCreationForm):
    class Meta:
        model = User
        fields = ("email", "name", "team")
        field_classes: ClassVar[dict[str, Any]] = {}


class PersonChangeForm(UserChangeForm):
    class Meta:
        model = User
        fields = "__all__"
        field_classes: ClassVar[dict[str, Any]] = {}


@admin.register(User)
class PersonAdmin(DjangoUserAdmin):
    """People sign in with their e-mail address; there is no user name.

    Nobody is deleted here: rooms, turns and what they cost hang on a person. Taking *active* away suspends the
    account: its sessions and tokens stop working at once.
    """

    form = PersonChangeForm
    add_form = PersonCreationForm
    ordering = ("email",)
    list_display = ("email", "name", "team", "is_active", "is_staff", "is_superuser", "last_login")
    list_filter = ("is_active", "is_staff", "is_superuser", "team")
    list_select_related = ("team",)
    search_fields = ("email", "name", "team__name")
    readonly_fields = ("id", "last_login", "created_at")
    fieldsets = (
        (None, {"fields": ("email", "password")}),
        ("Person", {"fields": ("name", "team", "id")}),
        ("Access", {"fields": ("is_active", "is_staff", "is_superuser", "groups", "user_permissions")}),
        ("Dates", {"fields": ("last_login", "created_at")}),
    )
    add_fieldsets = (
        (
            None,
            {
                "fields": ("email", "name", "team", "password1", "password2"),
                "classes": ("wide",),
            },
        ),
    )

    def get_readonly_fields(self, request: HttpRequest, obj: User | None = None) -> tuple[str, ...]:
        """Return also what gives rights, unless an administrator asks: nobody raises themselves."""
        fields = tuple(super().get_readonly_fields(request, obj))
        if getattr(request.user, "is_superuser", False):
            return fields
        return (*fields, "is_staff", "is_superuser", "groups", "user_permissions")

    def has_change_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        """Refuse other staff an administrator's account: with its password they would have its rights."""
        if obj is not None and obj.is_superuser and not getattr(request.user, "is_superuser", False):
            return False
        return super().has_change_permission(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        return False


@admin.register(Team)
class TeamAdmin(admin.ModelAdmin):
    list_display = ("name", "members", "created_at")
    search_fields = ("name",)
    fields = ("name", "members", "created_at")
    readonly_fields = ("members", "created_at")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Team]:
        return super().get_queryset(request).annotate(member_count=Count("members"))

    @admin.display(description="Members", ordering="member_count")
    def members(self, team: Team) -> SafeString | str:
        if team._state.adding:
            return "-"
        url = f"{reverse('admin:accounts_user_changelist')}?team__id__exact={team.pk}"
        return format_html('<a href="{}">{}</a>', url, team.member_count)  # type: ignore[attr-defined]


@admin.register(ApiToken)
class ApiTokenAdmin(HidingAdmin):
    """Tokens can be looked at and revoked. People make their own; the secret is stored nowhere."""

    hidden = ("digest",)
    list_display = ("name", "hint", "user", "scope_list", "created_at", "expires_at", "last_used_at")
    list_select_related = ("user",)
    list_filter = ("created_at", "expires_at", "last_used_at")
    search_fields = ("name", "hint", "user__email", "user__name")
    fields = ("name", "hint", "user", "scope_list", "created_at", "expires_at", "last_used_at")
    readonly_fields = fields

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def delete_model(self, request: HttpRequest, obj: ApiToken) -> None:
        token_delete(token=obj)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[ApiToken]) -> None:
        for token in queryset:
            token_delete(token=token)

    @admin.display(description="Scopes")
    def scope_list(self, token: ApiToken) -> str:
        return ", ".join(token.scopes)
