"""Providers in the administration, with *Test* and their last failures, which only sessions know."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest, HttpResponse

from orchestration.admin import ProviderAdmin
from orchestration.models import Provider
from sessions.selectors.failures import BACK, list_failures
from web.admin.links import AdminLink, changelist_link


@admin.register(Provider)
class FailingProviderAdmin(ProviderAdmin):
    """The catalogue's providers with what went wrong last."""

    def links(self, row: Provider) -> list[AdminLink]:
        failed = changelist_link(
            "Failed calls", "chat_sessions_call", model__provider__id__exact=row.pk, status__exact="failed"
        )
        return [*super().links(row), failed]

    def render_change_form(
        self,
        request: HttpRequest,
        context: dict[str, Any],
        add: bool = False,
        change: bool = False,
        form_url: str = "",
        obj: Provider | None = None,
    ) -> HttpResponse:
        if obj is not None:
            context["provider"] = obj
            may_test = request.user.has_perm("orchestration.change_provider")
            context["is_testable"] = may_test and obj.enabled and obj.has_key and not obj.is_demo
            context["days"] = BACK.days
            context["failures"] = (
                list_failures(obj.pk) if request.user.has_perm("chat_sessions.view_call") else None
            )
        return super().render_change_form(request, context, add, change, form_url, obj)
