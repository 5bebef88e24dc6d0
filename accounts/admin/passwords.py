"""Password reset links in the administration. Each link is shown once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.shortcuts import render
from django.urls import URLPattern, path
from django.utils import timezone
from django.utils.cache import add_never_cache_headers

from accounts.access import access_person, asker
from accounts.services.passwords import VALID_FOR, may_make_link, password_link
from web.addresses import instance_url, sends_mail
from web.error_rendering import error_page
from web.errors import PantheonError

if TYPE_CHECKING:
    _Base = admin.ModelAdmin
else:
    _Base = object


class PasswordLinkAdmin(_Base):
    """Create password reset links on user pages. Superusers see the link; for other staff it is only emailed.

    Each link is in the audit log.
    """

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.password_link_view)
        return [path("<id>/password-link/", view, name="accounts_user_password_link"), *super().get_urls()]

    def render_change_form(
        self,
        request: HttpRequest,
        context: dict[str, Any],
        add: bool = False,
        change: bool = False,
        form_url: str = "",
        obj: Any = None,
    ) -> HttpResponse:
        context["may_make_link"] = (
            obj is not None
            and obj.is_active
            and self.has_change_permission(request, obj)
            and may_make_link(asker(request))
        )
        return super().render_change_form(request, context, add, change, form_url, obj)

    def password_link_view(self, request: HttpRequest, id: str) -> HttpResponse:
        if not self.has_change_permission(request):
            raise PermissionDenied
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        try:
            person = access_person(asker(request), id)
            with transaction.atomic():
                url = password_link(user=person, actor=asker(request), base_url=instance_url(request))
        except PantheonError as error:
            return error_page(request, error)
        context: dict[str, Any] = {
            **self.admin_site.each_context(request),
            "title": "Password reset link",
            "opts": self.opts,
            "person": person,
            "url": url,
            "mails": sends_mail(),
            "expires_at": timezone.now() + VALID_FOR,
        }
        response = render(request, "admin/accounts/password_link.html", context)
        add_never_cache_headers(response)
        return response
