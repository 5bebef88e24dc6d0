"""Erase a person's names and email addresses, current and former, from invitations and both logs."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from django.contrib.admin.models import LogEntry
from django.db.models import Q

from accounts.models import AuditEntry, Invitation, User

BATCH_SIZE = 1000
"""Ids per query: databases limit the number of parameters."""

BELONGS = ("user_id", "owner_id", "accepted_by_id")
"""Fields that name the owner of a row in an audit entry's values."""


def traces_erase(*, user: User, object_ids: Collection[str]) -> None:
    """Delete a person's invitations and blank names and values in log entries about them (inside a transaction).

    `object_ids`: everything they own now. Objects deleted earlier are found by the owner in their audit entries.
    """
    addresses = addresses_of(user)
    invitations = Invitation.objects.filter(
        Q(accepted_by=user) | Q(email__in=addresses, accepted_by__isnull=True)
    )
    ids = {str(user.pk), *object_ids}
    ids.update(str(pk) for pk in invitations.values_list("pk", flat=True))
    ids.update(AuditEntry.objects.filter(_entries_about(user, addresses)).values_list("object_id", flat=True))
    for some in batches(sorted(ids)):
        AuditEntry.objects.erase(some)
        LogEntry.objects.filter(object_id__in=some).update(object_repr="", change_message="")
    invitations.delete()


def addresses_of(user: User) -> set[str]:
    """Return a person's current and former email addresses, except those that another user has now."""
    addresses = {user.email, *Invitation.objects.filter(accepted_by=user).values_list("email", flat=True)}
    for entry in AuditEntry.objects.filter(object_type=User._meta.label, object_id=str(user.pk)):
        addresses.update(values["email"] for values in (entry.before, entry.after) if "email" in values)
    others = User.objects.exclude(pk=user.pk)
    return addresses - set(others.filter(email__in=addresses).values_list("email", flat=True))


def _entries_about(user: User, addresses: Collection[str]) -> Q:
    """Match audit entries about rows that this person owned or about their addresses, but not about other users."""
    about_rows = Q()
    for name in BELONGS:
        about_rows |= Q(**{f"before__{name}": str(user.pk)}) | Q(**{f"after__{name}": str(user.pk)})
    about_addresses = Q(before__email__in=addresses) | Q(after__email__in=addresses)
    return about_rows | (about_addresses & ~Q(object_type=User._meta.label))


def batches(ids: list[str]) -> Iterator[list[str]]:
    for start in range(0, len(ids), BATCH_SIZE):
        yield ids[start : start + BATCH_SIZE]
