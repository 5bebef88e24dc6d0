"""Writes on users, API tokens and the set-up link."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import Any

from django.conf import settings
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from accounts.models import ApiToken, SetupLink, User, secret_digest
from accounts.services.audit import audit_record, values_of
from web.errors import NotFound, ValidationFailed
from web.validation import require_valid

TOUCH_EVERY = dt.timedelta(minutes=1)
MAX_TOKENS = 20
"""Unexpired tokens per user. Rate limits count per token, so the number of tokens must be limited too."""


def allowed_scopes(user: User) -> list[str]:
    """Return the scopes that this user's tokens may have."""
    return [scope for scope in ApiToken.Scope.values if scope != ApiToken.Scope.ADMIN or user.is_staff]


@transaction.atomic(durable=True)
def token_create(
    *, user: User, name: str, scopes: list[str] | None = None, expires_at: dt.datetime | None = None
) -> tuple[ApiToken, str]:
    """Create a token; return it and its secret, which is not stored.

    Raises ValidationFailed, also if the user has MAX_TOKENS.
    """
    allowed = allowed_scopes(user)
    chosen = allowed if scopes is None else list(dict.fromkeys(scopes))
    if not chosen or not set(chosen) <= set(allowed):
        raise ValidationFailed({"scopes": [f"Choose among {', '.join(allowed)}."]})
    secret = ApiToken.new_secret()
    token = ApiToken(
        user=user,
        name=name.strip(),
        scopes=chosen,
        expires_at=expires_at,
        digest=secret_digest(secret),
        hint=secret[:8],
    )
    require_valid(token)
    # The lock makes concurrent requests count each other's token.
    User.objects.select_for_update(no_key=True).get(pk=user.pk)
    if ApiToken.objects.filter(user=user).usable().count() >= MAX_TOKENS:
        message = f"An account has at most {MAX_TOKENS} API tokens. Delete one that is no longer needed."
        raise ValidationFailed({"non_field_errors": [message]}, message)
    token.save()
    return token, secret


def token_touch(*, token: ApiToken) -> None:
    """Update `last_used_at`, at most once a minute, so that most API reads write nothing."""
    now = timezone.now()
    if token.last_used_at is None or now - token.last_used_at > TOUCH_EVERY:
        ApiToken.objects.filter(
            Q(last_used_at__isnull=True) | Q(last_used_at__lt=now - TOUCH_EVERY), pk=token.pk
        ).update(last_used_at=now)


def token_delete(*, token: ApiToken) -> None:
    token.delete()


def tokens_delete(*, user: User) -> None:
    """Delete all API tokens of a user at their own request (inside a transaction)."""
    for token in ApiToken.objects.filter(user=user):
        audit_record(actor_id=user.pk, action="delete", row=token, before=values_of(token))
        token_delete(token=token)


def token_names(user: User) -> str:
    """Return the names of a user's valid API tokens; "" if there are none."""
    return ", ".join(str(token) for token in ApiToken.objects.filter(user=user).usable())


@transaction.atomic(durable=True)
def user_rename(*, user: User, name: str) -> None:
    """Rename a user; without a name the email address is shown."""
    User.objects.filter(pk=user.pk).update(name=name.strip())


def user_suspend(*, user: User, actor_id: uuid.UUID | None) -> bool:
    """Suspend an account (inside a transaction): its sessions end, its tokens stop working. False if it already was.

    Raises ValidationFailed for the last administrator.
    """
    administrator_check(user)
    return _set_active(user, False, "suspend", actor_id)


def user_reactivate(*, user: User, actor_id: uuid.UUID | None) -> bool:
    """Reactivate a suspended account (inside a transaction). False if it was not suspended."""
    return _set_active(user, True, "reactivate", actor_id)


def _set_active(user: User, active: bool, action: str, actor_id: uuid.UUID | None) -> bool:
    changed: dict[str, Any] = {"is_active": active} | ({} if active else {"signed_out_at": timezone.now()})
    if not User.objects.filter(pk=user.pk, is_active=not active).update(**changed):
        return False
    user.is_active = active
    audit_record(
        actor_id=actor_id,
        action=action,
        row=user,
        before={"is_active": not active},
        after={"is_active": active},
    )
    return True


def administrators() -> QuerySet[User]:
    """Return the superusers who can sign in to the administration."""
    return User.objects.filter(is_superuser=True, is_staff=True, is_active=True)


def administrator_check(user: User) -> None:
    """Lock the superusers and refuse if none would remain (inside a transaction). Raises ValidationFailed.

    The lock makes two administrators who suspend each other wait for one another.
    """
    ids = list(administrators().select_for_update().order_by("pk").values_list("pk", flat=True))
    if ids == [user.pk]:
        message = "This is the last administrator. Add another one first."
        raise ValidationFailed({"user": [message]}, message)


@transaction.atomic(durable=True)
def setup_link_issue() -> str | None:
    """Create a set-up link, replacing earlier ones; return its secret, or None if there is an administrator."""
    if administrators().exists():
        return None
    secret = ApiToken.new_secret().removeprefix("pn_")
    SetupLink.objects.filter(used_at__isnull=True).delete()
    SetupLink.objects.create(digest=secret_digest(secret))
    return secret


@transaction.atomic(durable=True)
def administrator_create(*, setup_secret: str, email: str, name: str, password: str) -> User:
    """Create the first administrator with the one-time link. Raises NotFound for a used link, ValidationFailed.

    A conditional update claims the link, so exactly one of two concurrent requests succeeds.
    """
    claimed = open_setup_links(setup_secret).update(used_at=timezone.now())
    if not claimed or administrators().exists():
        raise NotFound("This setup link has been used or replaced. Restart Pantheon for a new one.")
    user = user_new(email=email, name=name, password=password)
    user.is_staff = user.is_superuser = True
    user_save(user)
    return user


def user_new(*, email: str, name: str, password: str) -> User:
    """Return an unsaved account with its password hashed, which is slow. Raises ValidationFailed."""
    user = User(email=email, name=name.strip())
    try:
        user.clean()
        validate_password(password, user)
    except ValidationError as error:
        raise ValidationFailed({"password": error.messages}) from error
    user.set_password(password)
    return user


def user_save(user: User) -> None:
    """Save a new account (inside a transaction). Raises ValidationFailed."""
    try:
        require_valid(user)
        user.save()
    except IntegrityError as error:
        raise ValidationFailed({"email": ["An account with this email address exists."]}) from error


def user_sign_up(*, email: str, name: str, password: str) -> User:
    """Create an account without invitation. Raises NotFound unless PANTHEON_SIGNUP is open, ValidationFailed."""
    if settings.PANTHEON_SIGNUP != "open":
        raise NotFound()
    user = user_new(email=email, name=name, password=password)  # outside the transaction: hashing is slow
    with transaction.atomic(durable=True):
        user_save(user)
        audit_record(actor_id=user.pk, action="sign up", row=user)
    return user


def setup_link_is_open(setup_secret: str) -> bool:
    """Return whether this set-up link still works."""
    return open_setup_links(setup_secret).exists() and not administrators().exists()


def open_setup_links(setup_secret: str) -> QuerySet[SetupLink]:
    """Return the link with this secret if it is unused and the newest: two processes may have issued one each."""
    newest = SetupLink.objects.order_by("-created_at", "-pk").values("pk")[:1]
    return SetupLink.objects.filter(pk__in=newest, digest=secret_digest(setup_secret), used_at__isnull=True)
