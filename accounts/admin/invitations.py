"""Invitations in the administration: create (the link is shown once), change, revoke."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.cache import add_never_cache_headers
from django.utils.safestring import SafeString

from accounts.access import asker
from accounts.models import Invitation, User
from accounts.pages.base import add_errors
from accounts.services.invitations import (
    VALID_FOR,
    invitation_change,
    invitation_check,
    invitation_create,
    invitation_revoke,
)
from web.addresses import instance_url, sends_mail
from web.admin.cells import state_cell
from web.admin.moments import MOMENTS
from web.admin.readonly import HiddenFieldsAdmin
from web.admin.selects import IdSelectAdmin, require_ids
from web.error_rendering import error_page
from web.errors import ValidationFailed


class InvitationForm(forms.ModelForm):
    """Show the service's validation errors at the form's fields, before the service is called."""

    def clean_email(self) -> str:
        return User.normalize_email(self.cleaned_data["email"])

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        if not self.errors:
            values = {"email": self.instance.email, **data}
            try:
                invitation_check(Invitation(**values))
            except ValidationFailed as error:
                add_errors(self, error)
        return data


@admin.register(Invitation)
class InvitationAdmin(IdSelectAdmin, HiddenFieldsAdmin):
    """Links with which people create their accounts. An invitation never makes anybody staff."""

    hidden = ("digest",)
    form = InvitationForm
    formfield_overrides = MOMENTS
    actions = ("revoke",)
    list_display = ("email", "state", "team", "created_by", "created_at", "expires_at", "mailed_at")
    list_filter = ("created_at", "expires_at", "team")
    list_select_related = ("team", "created_by")
    autocomplete_fields = ("team",)
    date_hierarchy = "created_at"
    search_fields = ("email",)
    about = ("state", "created_by", "created_at", "mailed_at", "accepted_at", "accepted_by", "revoked_at")

    def get_fields(self, request: HttpRequest, obj: Invitation | None = None) -> tuple[str, ...]:
        return ("email", "team", "expires_at", *(self.about if obj else ()))

    def get_readonly_fields(self, request: HttpRequest, obj: Invitation | None = None) -> tuple[str, ...]:
        return ("email", *self.about) if obj else ()

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        return {"expires_at": timezone.now() + VALID_FOR, **super().get_changeform_initial_data(request)}

    def has_change_permission(self, request: HttpRequest, obj: Invitation | None = None) -> bool:
        used = obj is not None and obj.state in ("accepted", "revoked")
        return not used and super().has_change_permission(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Refuse: invitations are revoked instead, and stay on record."""
        return False

    def has_revoke_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("accounts.delete_invitation")

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        try:
            return super().changeform_view(request, object_id, form_url, extra_context)
        except ValidationFailed as error:  # the invitation changed after the form was validated
            return error_page(request, error)

    def render_change_form(
        self,
        request: HttpRequest,
        context: dict[str, Any],
        add: bool = False,
        change: bool = False,
        form_url: str = "",
        obj: Invitation | None = None,
    ) -> HttpResponse:
        if obj is not None:
            context["row_name"] = f"Invitation of {obj.email}"
        return super().render_change_form(request, context, add, change, form_url, obj)

    def save_model(self, request: HttpRequest, obj: Invitation, form: Any, change: bool) -> None:
        if change:
            invitation_change(
                invitation=obj, actor_id=asker(request).pk, team=obj.team, expires_at=obj.expires_at
            )
            return
        invitation, url = invitation_create(
            email=obj.email,
            team=obj.team,
            actor=asker(request),
            base_url=instance_url(request),
            expires_at=obj.expires_at,
        )
        obj.pk = invitation.pk
        request.invitation_url = url  # type: ignore[attr-defined]

    def response_add(
        self, request: HttpRequest, obj: Invitation, post_url_continue: str | None = None
    ) -> HttpResponse:
        """Show the link now: it is not stored."""
        context = {
            **self.admin_site.each_context(request),
            "title": "Invitation",
            "opts": self.opts,
            "invitation": obj,
            "url": request.invitation_url,  # type: ignore[attr-defined]
            "mails": sends_mail(),
        }
        response = render(request, "admin/accounts/invitation_link.html", context)
        add_never_cache_headers(response)
        return response

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        require_ids(request, self.model)
        return super().changelist_view(request, extra_context)

    @admin.action(description="Revoke", permissions=["revoke"])
    def revoke(self, request: HttpRequest, queryset: QuerySet[Invitation]) -> None:
        count = 0
        with transaction.atomic():
            for invitation in queryset:
                try:
                    count += invitation_revoke(invitation=invitation, actor_id=asker(request).pk)
                except ValidationFailed:
                    self.message_user(request, f"{invitation.email} has an account.", messages.WARNING)
        self.message_user(request, f"Revoked: {count}.")

    @admin.display(description="State")
    def state(self, invitation: Invitation) -> SafeString:
        return state_cell(invitation.state.capitalize(), "good" if invitation.state == "accepted" else "")
