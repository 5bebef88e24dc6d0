"""Permission groups in the administration. Only superusers change them; every change is in the audit log."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.contrib.auth.admin import GroupAdmin as DjangoGroupAdmin
from django.contrib.auth.models import Group
from django.db.models import Count, ManyToManyField, QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from accounts.access import asker
from accounts.admin.audited import AuditedAdmin
from accounts.admin.roles import PermissionsField, words_of

admin.site.unregister(Group)


@admin.register(Group)
class GroupAdmin(AuditedAdmin, DjangoGroupAdmin):
    """For superusers only: anybody else who could change a group could give themselves every permission."""

    list_display = ("name", "member_count", "allows")
    fields = ("name", "allows", "permissions")
    readonly_fields = ("allows",)

    def formfield_for_manytomany(
        self, db_field: ManyToManyField[Any, Any], request: HttpRequest | None = None, **options: Any
    ) -> Any:
        return super().formfield_for_manytomany(db_field, request, form_class=PermissionsField, **options)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Group]:
        rows = super().get_queryset(request).prefetch_related("permissions__content_type")
        return rows.annotate(members=Count("user", distinct=True))

    @admin.display(description="Users", ordering="members")
    def member_count(self, group: Any) -> SafeString:
        url = f"{reverse('admin:accounts_user_changelist')}?groups__id__exact={group.pk}"
        return format_html('<a href="{}">{}</a>', url, group.members)

    @admin.display(description="Allows")
    def allows(self, group: Group) -> str:
        return "-" if group._state.adding else words_of(group)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return asker(request).is_superuser

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return asker(request).is_superuser

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return asker(request).is_superuser
