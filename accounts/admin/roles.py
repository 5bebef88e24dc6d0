"""Roles on the page of a user, each with what it allows in words."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib.auth.models import Group, Permission
from django.db.models import QuerySet

from accounts.roles import abilities_text, names_of


def groups_with_permissions() -> QuerySet[Group]:
    """Return all groups by name, with what `words_of` needs: three statements."""
    return Group.objects.order_by("name").prefetch_related("permissions__content_type")


def words_of(group: Group) -> str:
    """Return in words what a group allows."""
    return abilities_text(names_of(group))


class PermissionsField(forms.ModelMultipleChoiceField):
    """Permissions as `API token: delete`, instead of Django's `Accounts | API token | Can delete API token`."""

    def label_from_instance(self, permission: Permission) -> str:
        verb, _, model_name = permission.codename.partition("_")
        model = permission.content_type.model_class()
        if model is None or model._meta.model_name != model_name:
            return permission.name
        name = str(model._meta.verbose_name)
        return f"{name[:1].upper()}{name[1:]}: {verb}"


class RolesField(forms.ModelMultipleChoiceField):
    """Groups to tick."""

    def __init__(self, **options: Any) -> None:
        super().__init__(
            groups_with_permissions(),
            required=False,
            label="Roles",
            widget=forms.CheckboxSelectMultiple,
            help_text="A role with permissions includes access to the administration.",
            **options,
        )

    def label_from_instance(self, group: Group) -> str:
        return f"{group.name}: {words_of(group)}"
