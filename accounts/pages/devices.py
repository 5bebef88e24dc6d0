"""Known browsers: those that have signed in to an account before. Other people's failed attempts do not lock them out.

A known browser has one cookie per account. The cookie only gives it an attempt counter of its own, it does not sign in;
changing the password invalidates it.
"""

from __future__ import annotations

import datetime as dt
import uuid

from django.conf import settings
from django.core import signing
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils.crypto import constant_time_compare

from accounts.models import User, secret_digest

KEPT_FOR = dt.timedelta(days=365)

_signer = signing.Signer(salt="known device")


def device_of(request: HttpRequest, email: str) -> str | None:
    """Return the id of a browser that has signed in to this account with its current password, else None.

    The account is looked up only for a valid cookie, so that response times do not reveal who has an account.
    """
    try:
        device, _, password = _signer.unsign(request.COOKIES.get(cookie_name(email), "")).partition(".")
    except signing.BadSignature:
        return None
    user = User.objects.filter(email=User.normalize_email(email)).first()
    return device if user is not None and constant_time_compare(password, password_mark(user)) else None


def device_remember(request: HttpRequest, response: HttpResponseBase, user: User) -> None:
    """Make this browser known to the account. Call only right after the user has proved that the account is theirs."""
    device = device_of(request, user.email) or uuid.uuid4().hex
    response.set_cookie(
        cookie_name(user.email),
        _signer.sign(f"{device}.{password_mark(user)}"),
        max_age=KEPT_FOR,
        secure=settings.SESSION_COOKIE_SECURE,
        httponly=True,
        samesite="Lax",
    )


def cookie_name(email: str) -> str:
    return f"pantheon_device_{secret_digest(User.normalize_email(email))[:16]}"


def password_mark(user: User) -> str:
    """Return a digest that changes with the password. It does not reveal the password hash."""
    return secret_digest(f"known device {user.pk} {user.password}")
