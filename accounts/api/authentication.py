"""API authentication: a bearer token, else the session cookie with CSRF protection."""

from __future__ import annotations

from typing import Any

from django.db.models import CharField, DateTimeField
from django.utils import timezone
from rest_framework.authentication import BaseAuthentication, SessionAuthentication, get_authorization_header
from rest_framework.exceptions import AuthenticationFailed, PermissionDenied
from rest_framework.request import Request

from accounts.models import ApiToken, User, secret_digest
from accounts.services.people import token_touch
from web.database.compiled import CompiledQuery, Slot
from web.errors import PantheonError

TOKEN = CompiledQuery(
    lambda: (
        ApiToken.objects.usable_at(Slot("now", DateTimeField()))
        .select_related("user__team")
        .filter(digest=Slot("digest", CharField()))
    )
)


def token_for_secret(secret: str) -> ApiToken | None:
    """Return the unexpired token, with its user."""
    return TOKEN.first(digest=secret_digest(secret), now=timezone.now())


def account_suspended_error() -> PantheonError:
    return PantheonError("account_suspended", "This account is suspended. Ask your administrator.")


class BearerAuthentication(BaseAuthentication):
    """Authenticate `Authorization: Bearer <token>`; `request.auth` is the ApiToken."""

    def authenticate(self, request: Request) -> tuple[User, ApiToken] | None:
        scheme, _, secret = get_authorization_header(request).partition(b" ")
        if scheme.lower() != b"bearer":
            return None
        token = token_for_secret(secret.strip().decode("latin-1"))
        if token is None:
            raise AuthenticationFailed("This token is unknown, deleted or expired.")
        if not token.user.is_active:
            raise account_suspended_error()
        token_touch(token=token)
        return token.user, token

    def authenticate_header(self, request: Request) -> str:
        return 'Bearer realm="Pantheon"'


class CookieAuthentication(SessionAuthentication):
    """Authenticate by the session cookie of the pages; writes need the CSRF token."""

    def enforce_csrf(self, request: Any) -> None:
        try:
            # Django's request: DRF's would parse the body to look for a form token.
            super().enforce_csrf(request._request)
        except PermissionDenied as error:
            raise PantheonError(
                "csrf_failed", "Reload the page and try again: its form has expired."
            ) from error
