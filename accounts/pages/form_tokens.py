"""Forms that do what they do once: sent again, by a reload or a second click, they do nothing more.

What was sent is remembered in Django's cache, as long as the form may be sent.
"""

from __future__ import annotations

import uuid

from django.core import signing
from django.core.cache import cache

from accounts.models import User

VALID_FOR_S = 24 * 60 * 60

_signer = signing.TimestampSigner(salt="form that is sent once")


def new_form_token() -> str:
    """Return what a form carries: another value each time that it is shown."""
    return _signer.sign(uuid.uuid4().hex)


def claim_form_token(user: User, value: str) -> bool:
    """Take a form's value, which one of several at once can; False where it is taken, too old or none of ours."""
    try:
        name = _signer.unsign(value, max_age=VALID_FOR_S)
    except signing.BadSignature:
        return False
    return cache.add(_key(user, name), 1, timeout=VALID_FOR_S)


def release_form_token(user: User, value: str) -> None:
    """Let a form be sent again whose value was taken, but which did nothing."""
    cache.delete(_key(user, _signer.unsign(value)))


def _key(user: User, name: str) -> str:
    return f"sent-form-{user.pk}-{name}"
