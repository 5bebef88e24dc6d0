"""Writes on the ready-made roles."""

from __future__ import annotations

from django.contrib.auth.models import Group, Permission
from django.db import transaction

from accounts.models import ReadyRole
from accounts.roles import ROLES, Role, name_of, names_of


@transaction.atomic
def roles_create() -> None:
    """Create the groups of the ready-made roles, after the permissions of all packages exist.

    A group that an administrator has changed, renamed or deleted stays so. One that is unchanged follows its role.
    """
    made = {row.name: row for row in ReadyRole.objects.select_related("group")}
    named = permissions_named(frozenset().union(*(role.permissions for role in ROLES)))
    for role in ROLES:
        permissions = [named[name] for name in role.permissions if name in named]
        if (row := made.get(role.name)) is None:
            role_create(role=role, permissions=permissions)
        elif row.group is not None and names_of(row.group) == row.granted:
            role_grant(row=row, group=row.group, permissions=permissions)


def role_create(*, role: Role, permissions: list[Permission]) -> None:
    """Create the group of a role (inside a transaction). A group that has its name already is left as it is."""
    group, is_new = Group.objects.get_or_create(name=role.name)
    row = ReadyRole.objects.create(name=role.name, group=group if is_new else None)
    if is_new:
        role_grant(row=row, group=group, permissions=permissions)


def role_grant(*, row: ReadyRole, group: Group, permissions: list[Permission]) -> None:
    """Give a group exactly these permissions and remember them (inside a transaction)."""
    names = sorted(name_of(permission) for permission in permissions)
    if names == row.granted:
        return
    group.permissions.set(permissions)
    row.granted = names
    row.save(update_fields=["granted"])


def permissions_named(names: frozenset[str]) -> dict[str, Permission]:
    """Return the permissions with these names, as far as they exist."""
    labels = {name.partition(".")[0] for name in names}
    rows = Permission.objects.filter(content_type__app_label__in=labels).select_related("content_type")
    return {name: row for row in rows if (name := name_of(row)) in names}
