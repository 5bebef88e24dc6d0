"""The administration site."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.contrib.admin.apps import AdminConfig
from django.contrib.auth import REDIRECT_FIELD_NAME
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse


class PantheonAdminSite(admin.AdminSite):
    site_header = "Pantheon administration"
    site_title = "Pantheon"
    index_title = "Administration"
    enable_nav_sidebar = True

    def login(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Lead to the one page where people sign in, with its limits; refuse who is signed in and may not enter."""
        if self.has_permission(request):
            return redirect("admin:index")
        if request.user.is_authenticated:
            raise PermissionDenied
        from django.contrib.auth.views import (
            redirect_to_login,  # its forms need the user model, which is loaded later
        )

        return redirect_to_login(request.GET.get(REDIRECT_FIELD_NAME) or reverse("admin:index"))


class PantheonAdminConfig(AdminConfig):
    default_site = "pantheon.admin.PantheonAdminSite"
