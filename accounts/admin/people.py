"""Users, teams and API tokens in the administration."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar

from django import forms
from django.contrib import admin, messages
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.forms import (
    AdminPasswordChangeForm,
    BaseUserCreationForm,
    ReadOnlyPasswordHashWidget,
    UserChangeForm,
)
from django.contrib.auth.hashers import is_password_usable
from django.core.exceptions import PermissionDenied, ValidationError
from django.db import transaction
from django.db.models import Count, ManyToManyField, QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from accounts.access import asker, may_act_on
from accounts.admin.audited import AuditedAdmin, actor_of
from accounts.admin.passwords import PasswordLinkAdmin
from accounts.admin.roles import PermissionsField, RolesField
from accounts.models import ApiToken, Team, User
from accounts.services.passwords import account_change_mail
from accounts.services.people import administrator_check, token_delete, user_reactivate, user_suspend
from web.admin.links import AdminLink, LinkedAdmin, budget_links, changelist_link, costs_link
from web.admin.readonly import HiddenFieldsAdmin, OwnLookupsAdmin
from web.admin.selects import IdSelectAdmin
from web.errors import ValidationFailed

if TYPE_CHECKING:
    _FormBase = forms.Form
else:
    _FormBase = object


class PasswordStateWidget(ReadOnlyPasswordHashWidget):
    """Says whether there is a password, instead of how it is hashed."""

    def get_context(self, name: str, value: Any, attrs: Any) -> dict[str, Any]:
        context: dict[str, Any] = super().get_context(name, value, attrs)
        is_set = bool(value) and is_password_usable(value)
        return {
            **context,
            "summary": [{"label": "Set" if is_set else "Not set", "value": ""}],
            "button_label": "Set password",
        }


LENGTH_HELP = "At least 10 characters. Common passwords aren't allowed."


class PasswordFieldsMixin(_FormBase):
    """Two password fields in our words."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if email := self.fields.get("email"):
            # Django's script focuses the first field of a form already.
            email.widget.attrs.pop("autofocus", None)
            email.widget.attrs["autocomplete"] = "username"
        self.fields["password1"].help_text = LENGTH_HELP
        self.fields["password2"].label = "Confirm password"
        self.fields["password2"].help_text = ""


class PersonCreationForm(PasswordFieldsMixin, BaseUserCreationForm):
    class Meta:
        model = User
        fields = ("email", "name", "team")
        field_classes: ClassVar[dict[str, Any]] = {}


class PersonChangeForm(UserChangeForm):
    class Meta:
        model = User
        fields = "__all__"
        field_classes: ClassVar[dict[str, Any]] = {}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if field := self.fields.get("password"):
            field.widget = PasswordStateWidget()
            field.help_text = "Stored as a hash, so nobody can read it."
        if field := self.fields.get("is_superuser"):
            field.label, field.help_text = "Superuser", "Has all permissions."

    def clean(self) -> dict[str, Any]:
        data: dict[str, Any] = super().clean() or {}
        if "groups" in self.changed_data and any(group.permissions.exists() for group in data["groups"]):
            data["is_staff"] = True  # permissions are of use in the administration alone
        if not all(data.get(name, True) for name in ("is_superuser", "is_staff", "is_active")):
            try:
                administrator_check(self.instance)  # Django saves the form in the same transaction
            except ValidationFailed as error:
                raise ValidationError(error.details["fields"]["user"]) from error
        return data


class PersonPasswordForm(PasswordFieldsMixin, AdminPasswordChangeForm):
    """Sets a password. It cannot be disabled here: without one, nobody can sign in, not even to undo this."""

    def __init__(self, user: User, *args: Any, **kwargs: Any) -> None:
        super().__init__(user, *args, **kwargs)
        self.fields.pop("usable_password", None)
        self.fields["password1"].required = self.fields["password2"].required = True

    def save(self, commit: bool = True) -> User:
        user: User = super().save(commit)
        account_change_mail(user=user, address=user.email, what="the password")
        return user


RIGHTS = ("groups", "is_staff", "is_superuser", "user_permissions")


class PersonAdmin(
    OwnLookupsAdmin, IdSelectAdmin, LinkedAdmin, AuditedAdmin, PasswordLinkAdmin, DjangoUserAdmin
):
    """Users, who sign in with an email address instead of a user name.

    Registered by billing's administration, which adds what they spend.

    Users cannot be deleted here because rooms, turns and costs refer to them. Clearing *active* suspends the account:
    its sessions and tokens stop working at once, and its running turns are cancelled.

    Only superusers may change a password, or the email address that reset links are sent to: with either, staff could
    take an account over and read its messages. Only superusers create accounts, because the creator knows the
    password; other staff invite. Only superusers change rights.
    """

    form = PersonChangeForm
    change_password_form = PersonPasswordForm
    change_user_password_template = "admin/accounts/user/change_password.html"  # noqa: S105  (a template)
    add_form = PersonCreationForm
    add_form_template = "admin/accounts/user/add_form.html"
    ordering = ("email",)
    actions = ("suspend", "reactivate")
    list_select_related = ("team",)
    autocomplete_fields = ("team",)
    filter_horizontal = ("user_permissions",)
    search_fields = ("email", "name", "team__name")
    search_help_text = "An email address, a name or a team."
    readonly_fields = ("id", "last_login", "created_at")
    fieldsets = (
        (None, {"fields": ("email", "password")}),
        ("Person", {"fields": ("name", "team", "id")}),
        ("Access", {"fields": ("is_active", "groups", "is_staff", "is_superuser")}),
        ("Individual permissions", {"fields": ("user_permissions",), "classes": ("collapse",)}),
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

    def links(self, row: User) -> list[AdminLink]:
        return [
            costs_link(user=row.pk),
            changelist_link("Calls (ledger)", "billing_usageevent", user_id__exact=row.pk),
            changelist_link("Turns", "chat_sessions_turn", user__id__exact=row.pk),
            changelist_link("Sessions", "chat_sessions_chatsession", owner__id__exact=row.pk),
            changelist_link("Rooms", "chat_sessions_room", owner__id__exact=row.pk),
            changelist_link("Agents", "chat_sessions_agent", owner__id__exact=row.pk),
            changelist_link("API tokens", "accounts_apitoken", user__id__exact=row.pk),
            *budget_links("user", row.pk),
            changelist_link(
                "Audit log", "accounts_auditentry", object_type="accounts.User", object_id=row.pk
            ),
        ]

    def get_fieldsets(self, request: HttpRequest, obj: User | None = None) -> Any:
        """Hide the password from everybody except superusers; Django would show its hash."""
        fieldsets = super().get_fieldsets(request, obj)
        if asker(request).is_superuser:
            return fieldsets
        return [
            (title, {**options, "fields": [name for name in options["fields"] if name != "password"]})
            for title, options in fieldsets
        ]

    def get_readonly_fields(self, request: HttpRequest, obj: User | None = None) -> tuple[str, ...]:
        fields = tuple(super().get_readonly_fields(request, obj))
        return fields if asker(request).is_superuser else (*fields, "email", *RIGHTS)

    def formfield_for_manytomany(
        self, db_field: ManyToManyField[Any, Any], request: HttpRequest, **options: Any
    ) -> Any:
        if db_field.name == "groups":
            return RolesField()
        if db_field.name == "user_permissions":
            options["form_class"] = PermissionsField
        return super().formfield_for_manytomany(db_field, request, **options)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return asker(request).is_superuser

    def has_change_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        allowed = super().has_change_permission(request, obj)
        return allowed and (obj is None or may_act_on(asker(request), obj))

    def has_delete_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        return False

    def save_model(self, request: HttpRequest, obj: User, form: Any, change: bool) -> None:
        if change and not obj.is_active and "is_active" in form.changed_data:
            obj.signed_out_at = timezone.now()
        super().save_model(request, obj, form, change)
        if change and "email" in form.changed_data:
            account_change_mail(user=obj, address=form.initial["email"], what="the email address")

    def user_change_password(self, request: HttpRequest, id: str, form_url: str = "") -> HttpResponse:
        if not asker(request).is_superuser:
            raise PermissionDenied
        with transaction.atomic():  # the password and its audit entry
            return super().user_change_password(request, id, form_url)

    @admin.action(description="Suspend", permissions=["change"])
    def suspend(self, request: HttpRequest, queryset: QuerySet[User]) -> None:
        self._each(request, queryset, user_suspend, "Suspended")

    @admin.action(description="Reactivate", permissions=["change"])
    def reactivate(self, request: HttpRequest, queryset: QuerySet[User]) -> None:
        self._each(request, queryset, user_reactivate, "Reactivated")

    def _each(
        self, request: HttpRequest, users: QuerySet[User], write: Callable[..., bool], done: str
    ) -> None:
        """Apply `write` to the selected users, except oneself and users whom one may not change."""
        count = 0
        for user in users:
            if user.pk == request.user.pk or not self.has_change_permission(request, user):
                self.message_user(request, f"{user.email} was not changed.", messages.WARNING)
            else:
                try:
                    count += write(user=user, actor_id=actor_of(request))
                except ValidationFailed as error:
                    self.message_user(request, f"{user.email}: {error.message}", messages.ERROR)
        self.message_user(request, f"{done}: {count}.")


@admin.register(Team)
class TeamAdmin(LinkedAdmin, AuditedAdmin, admin.ModelAdmin):
    list_display = ("name", "members", "created_at")
    ordering = ("name",)
    search_fields = ("name",)
    fields = ("name", "members", "created_at")
    readonly_fields = ("members", "created_at")

    def has_delete_permission(self, request: HttpRequest, obj: Team | None = None) -> bool:
        """For superusers only: a team's budget binds nobody once the team is gone."""
        return asker(request).is_superuser

    def get_queryset(self, request: HttpRequest) -> QuerySet[Team]:
        return super().get_queryset(request).annotate(member_count=Count("members"))

    def links(self, row: Team) -> list[AdminLink]:
        return [
            changelist_link("Users", "accounts_user", team__id__exact=row.pk),
            costs_link(team=row.pk),
            changelist_link("Calls (ledger)", "billing_usageevent", team_id__exact=row.pk),
            *budget_links("team", row.pk),
        ]

    @admin.display(description="Members", ordering="member_count")
    def members(self, team: Team) -> SafeString | str:
        if team._state.adding:
            return "-"
        url = f"{reverse('admin:accounts_user_changelist')}?team__id__exact={team.pk}"
        return format_html('<a href="{}">{}</a>', url, team.member_count)  # type: ignore[attr-defined]


@admin.register(ApiToken)
class ApiTokenAdmin(LinkedAdmin, AuditedAdmin, HiddenFieldsAdmin):
    """Staff can view and delete tokens. Users create their own; secrets are not stored."""

    hidden = ("digest",)
    list_display = ("name", "hint", "user", "scope_list", "created_at", "expires_at", "last_used_at")
    list_select_related = ("user",)
    list_filter = ("created_at", "expires_at", "last_used_at")
    search_fields = ("name", "hint", "user__email", "user__name")
    fields = ("name", "hint", "user", "scope_list", "created_at", "expires_at", "last_used_at")
    readonly_fields = fields

    def has_delete_permission(self, request: HttpRequest, obj: ApiToken | None = None) -> bool:
        allowed = super().has_delete_permission(request, obj)
        return allowed and (obj is None or may_act_on(asker(request), obj.user))

    def links(self, row: ApiToken) -> list[AdminLink]:
        return [changelist_link("Turns of this user", "chat_sessions_turn", user__id__exact=row.user_id)]

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
