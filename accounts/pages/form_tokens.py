"""One-time tokens that protect a form against being submitted twice, by a reload or a second click.

Used tokens are kept in Django's cache for as long as a token is valid.
"""

from __future__ import annotations

import uuid

from django.core import signing
from django.core.cache import cache

from accounts.models import User

VALID_FOR_S = 24 * 60 * 60

_signer = signing.TimestampSigner(salt="form that is sent once")


def new_form_token() -> str:
    """Return a new signed token for the hidden field of a form."""
    return _signer.sign(uuid.uuid4().hex)


def claim_form_token(user: User, value: str) -> bool:
    """Claim a form token. Of concurrent submissions one succeeds; False if it is used, expired or not ours."""
    try:
        name = _signer.unsign(value, max_age=VALID_FOR_S)
    except signing.BadSignature:
        return False
    return cache.add(_key(user, name), 1, timeout=VALID_FOR_S)


def release_form_token(user: User, value: str) -> None:
    """Release a claimed token after the action failed, so that the form can be submitted again."""
    cache.delete(_key(user, _signer.unsign(value)))


def _key(user: User, name: str) -> str:
    return f"sent-form-{user.pk}-{name}"
