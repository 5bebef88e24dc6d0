"""The administration site."""

from __future__ import annotations

from django.contrib import admin
from django.contrib.admin.apps import AdminConfig


class PantheonAdminSite(admin.AdminSite):
    site_header = "Pantheon administration"
    site_title = "Pantheon"
    index_title = "Administration"
    enable_nav_sidebar = True


class PantheonAdminConfig(AdminConfig):
    default_site = "pantheon.admin.PantheonAdminSite"
