"""Command-line arguments that identify a person."""

from __future__ import annotations

from django.core.management.base import CommandError

from accounts.models import User


def person_of(email: str) -> User:
    """Return the user with an email address. Raises CommandError."""
    user = User.objects.filter(email=User.normalize_email(email)).select_related("team").first()
    if user is None:
        raise CommandError(f"No user has the email address {email}.")
    return user
