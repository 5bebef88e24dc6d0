"""How commands are told whom they are about."""

from __future__ import annotations

from django.core.management.base import CommandError

from accounts.models import User


def person_of(email: str) -> User:
    """Return the user of an e-mail address. Raises CommandError."""
    user = User.objects.filter(email=User.normalize_email(email)).select_related("team").first()
    if user is None:
        raise CommandError(f"No user has the e-mail address {email}.")
    return user
