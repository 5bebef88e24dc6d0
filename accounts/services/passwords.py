"""Writes on passwords: change one's own, and reset a forgotten one with a one-time link.

Links use Django's signed token, which expires after PASSWORD_RESET_TIMEOUT, when the password or the email address
changes, at the next sign-in, or when the account is suspended.
"""

from __future__ import annotations

import datetime as dt
import threading
import time
import uuid

from django.conf import settings
from django.contrib.auth.base_user import AbstractBaseUser
from django.contrib.auth.password_validation import validate_password
from django.contrib.auth.tokens import PasswordResetTokenGenerator
from django.core.exceptions import ValidationError
from django.db import transaction
from django.template.loader import render_to_string
from django.urls import reverse

from accounts.access import parse_id
from accounts.models import User, secret_digest
from accounts.services.audit import audit_record
from accounts.services.people import token_names, tokens_delete
from accounts.throttling import HOUR_S, caller_count, caller_forget
from web.addresses import mailed_url, sends_mail
from web.errors import NotFound, PantheonError, ValidationFailed
from web.mail import Mail, mail_send

LINK_SUBJECT = "Reset your Pantheon password"
VALID_FOR = dt.timedelta(seconds=settings.PASSWORD_RESET_TIMEOUT)

LINKS_PER_HOUR = 3
"""Valid reset links mailed per email address on request; each browser known to the account may request as many more."""


class LinkSecrets(PasswordResetTokenGenerator):
    """Secrets of reset links. Those from before a suspension stay invalid after a reactivation."""

    def _make_hash_value(self, user: AbstractBaseUser, timestamp: int) -> str:
        value: str = super()._make_hash_value(user, timestamp)  # type: ignore[arg-type]
        signed_out_at = getattr(user, "signed_out_at", None)
        return f"{value}{signed_out_at.timestamp()}" if signed_out_at else value


link_secrets = LinkSecrets()


def password_change(*, user: User, password: str, delete_tokens: bool = False) -> User:
    """Change the password of a user whose current password was checked. Raises ValidationFailed.

    Signs out all other browsers. API tokens stay valid unless `delete_tokens`. Raises ValidationFailed as well if the
    password was changed since it was checked, by a reset for example.
    """
    checked = user.password
    user = password_set(user, password)  # outside the transaction: hashing is slow
    with transaction.atomic(durable=True):
        if not User.objects.filter(pk=user.pk, password=checked).update(password=user.password):
            raise ValidationFailed(
                {"old_password": ["The password was changed in another session. Sign in again."]}
            )
        audit_record(actor_id=user.pk, action="change password", row=user)
        if delete_tokens:
            tokens_delete(user=user)
    return user


def password_link(*, user: User, actor: User, base_url: str) -> str:
    """Create a one-time reset link for staff (inside a transaction). The link is not stored.

    If mail is configured, the link is mailed to the user. Returned only to superusers, "" for other staff, because
    with the link one can take over the account. Raises `account_suspended`, `permission_denied`.
    """
    if not user.is_active:
        raise PantheonError("account_suspended", "This account is suspended. Reactivate it first.")
    if not may_make_link(actor):
        raise PantheonError("permission_denied", "Without email, only administrators can create this link.")
    audit_record(actor_id=actor.pk, action="password link", row=user)
    if sends_mail():
        text = link_mail_text(user, actor=actor)
        transaction.on_commit(lambda: mail_out(user.pk, user.email, LINK_SUBJECT, text))
    return base_url.rstrip("/") + link_path(user) if actor.is_superuser else ""


def may_make_link(actor: User) -> bool:
    """Return whether a reset link would reach anybody: the user by mail, or a superuser on the page."""
    return actor.is_superuser or sends_mail()


def account_change_mail(*, user: User, address: str, what: str) -> None:
    """Mail the user on commit what an administrator changed in the account. Does nothing without mail."""
    if sends_mail():
        context = {"user": user, "what": what, "tokens": token_names(user)}
        text = render_to_string("accounts/changed_mail.txt", context)
        transaction.on_commit(lambda: mail_out(user.pk, address, "Your Pantheon account was changed", text))


def password_link_mail(*, email: str, device: str | None = None) -> None:
    """Mail a reset link on request, if the address has an account and fewer than LINKS_PER_HOUR valid links.

    `device`: the known browser that requests it, which has a count of its own.

    Neither the result nor the response time reveals whether the address has an account: the mail is counted and
    rendered in any case, and sent from a thread. A mail error is only logged; the user can request another link.
    """
    account = User.objects.filter(email=User.normalize_email(email), is_active=True).first()
    user = account or User(email=User.normalize_email(email))
    key = links_key(user, device)
    is_due = caller_count(key, {HOUR_S: LINKS_PER_HOUR}, time.time()).counted
    text = link_mail_text(user)
    if account is not None and is_due:
        threading.Thread(target=link_mail_send, args=(user, key, text), name="password-mail").start()


def links_key(user: User, device: str | None) -> str:
    """Return the key under which mailed links are counted.

    It changes whenever earlier links become invalid, so a user who is refused has a link that works.
    """
    return f"links-{secret_digest(f'{user.email} {user.password} {user.last_login} {device}')}"


def link_mail_send(user: User, key: str, text: str) -> None:
    """Mail a requested link; reset the count if the mail server refuses it."""
    if not mail_out(user.pk, user.email, LINK_SUBJECT, text):
        caller_forget(key)


def link_mail_text(user: User, *, actor: User | None = None) -> str:
    """Return the text of a mail with a reset link. `actor`: the administrator who sent it; None if it was requested."""
    hours = int(VALID_FOR.total_seconds() // 3600)
    context = {"user": user, "actor": actor, "url": mailed_url(link_path(user)), "hours": hours}
    return render_to_string("accounts/password_mail.txt", context)


def mail_out(user_id: uuid.UUID, address: str, subject: str, text: str) -> bool:
    """Mail a text about an account; False if it was not sent, which is logged."""
    return mail_send(Mail(about=f"{subject!r} for {user_id}", subject=subject, text=text, to=[address]))


def password_link_user(user_id: str, secret: str) -> User:
    """Return the user of a reset link. Raises NotFound if the link does not work."""
    user = User.objects.filter(pk=parse_id(user_id), is_active=True).first()
    if user is None or not link_secrets.check_token(user, secret):
        raise link_not_found()
    return user


def password_reset(*, user_id: str, secret: str, password: str, delete_tokens: bool = False) -> User:
    """Set a new password with a reset link. Raises NotFound, ValidationFailed.

    The update is conditional on the old hash, so exactly one of two concurrent requests succeeds. API tokens stay valid
    unless `delete_tokens`.
    """
    user = password_link_user(user_id, secret)
    before = user.password
    user = password_set(user, password)
    with transaction.atomic(durable=True):
        if not User.objects.filter(pk=user.pk, password=before).update(password=user.password):
            raise link_not_found()
        audit_record(actor_id=user.pk, action="reset password", row=user)
        if delete_tokens:
            tokens_delete(user=user)
    return user


def password_set(user: User, password: str) -> User:
    """Validate and hash a password, unsaved. Raises ValidationFailed."""
    try:
        validate_password(password, user)
    except ValidationError as error:
        raise ValidationFailed({"password": error.messages}) from error
    user.set_password(password)
    return user


def link_path(user: User) -> str:
    return reverse("reset-password", args=[user.pk, link_secrets.make_token(user)])


def link_not_found() -> NotFound:
    return NotFound("This link has been used or has expired. Ask for a new one.")
