"""Writes on invitations."""

from __future__ import annotations

import datetime as dt
import uuid

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone

from accounts.models import ApiToken, Invitation, Team, User, secret_digest
from accounts.services.audit import audit_record, values_of
from accounts.services.people import user_new, user_save
from web.addresses import mailed_url, sends_mail
from web.errors import NotFound, ValidationFailed
from web.mail import Mail, mail_send
from web.validation import fields_of

VALID_FOR = dt.timedelta(days=7)
MAX_VALID_FOR = dt.timedelta(days=365)


def invitation_create(
    *,
    email: str,
    team: Team | None,
    actor: User,
    base_url: str,
    expires_at: dt.datetime | None = None,
) -> tuple[Invitation, str]:
    """Invite an email address (inside a transaction); return the invitation and its link, which is not stored.

    Revokes an earlier unused invitation of the address. If mail is configured, the link is mailed on commit. Raises
    ValidationFailed.
    """
    secret = ApiToken.new_secret().removeprefix("pn_")
    invitation = Invitation(
        email=User.normalize_email(email),
        team=team,
        digest=secret_digest(secret),
        created_by=actor,
        expires_at=timezone.now() + VALID_FOR if expires_at is None else expires_at,
    )
    invitation_check(invitation)
    for before in Invitation.objects.unused().filter(email=invitation.email):
        invitation_revoke(invitation=before, actor_id=actor.pk)
    try:
        with transaction.atomic():
            invitation.save(force_insert=True)
    except IntegrityError as error:
        raise ValidationFailed({"email": ["Someone else is inviting this address right now."]}) from error
    audit_record(actor_id=actor.pk, action="add", row=invitation, after=values_of(invitation))
    path = reverse("invitation", args=[secret])
    if sends_mail():
        transaction.on_commit(lambda: invitation_mail(invitation=invitation, path=path))
    return invitation, base_url.rstrip("/") + path


def invitation_check(invitation: Invitation) -> None:
    """Validate an invitation, and that somebody could accept it. Raises ValidationFailed."""
    if settings.PANTHEON_SIGNUP == "closed":
        raise ValidationFailed({"non_field_errors": ["Sign-up is closed: see PANTHEON_SIGNUP."]})
    try:
        invitation.clean_fields(exclude={"digest"})
    except ValidationError as error:
        raise ValidationFailed(fields_of(error)) from error
    if User.objects.filter(email=invitation.email).exists():
        raise ValidationFailed({"email": ["An account with this email address exists."]})
    now = timezone.now()
    if not now < invitation.expires_at <= now + MAX_VALID_FOR:
        raise ValidationFailed({"expires_at": [f"Choose a time within the next {MAX_VALID_FOR.days} days."]})


def invitation_change(
    *, invitation: Invitation, actor_id: uuid.UUID, team: Team | None, expires_at: dt.datetime
) -> None:
    """Change team or expiry of an unused invitation (inside a transaction).

    Raises ValidationFailed, also if it was accepted or revoked.
    """
    before = values_of(invitation)
    invitation.team, invitation.expires_at = team, expires_at
    invitation_check(invitation)
    if not Invitation.objects.unused().filter(pk=invitation.pk).update(team=team, expires_at=expires_at):
        raise closed_error(invitation)
    audit_record(
        actor_id=actor_id, action="change", row=invitation, before=before, after=values_of(invitation)
    )


def invitation_revoke(*, invitation: Invitation, actor_id: uuid.UUID) -> bool:
    """Revoke an invitation (inside a transaction); False if it already was. Raises ValidationFailed if accepted."""
    now = timezone.now()
    if not Invitation.objects.unused().filter(pk=invitation.pk).update(revoked_at=now):
        invitation.refresh_from_db()
        if invitation.accepted_at is not None:
            raise closed_error(invitation)
        return False
    invitation.revoked_at = now
    audit_record(
        actor_id=actor_id,
        action="revoke",
        row=invitation,
        before={"revoked_at": None},
        after={"revoked_at": now},
    )
    return True


def closed_error(invitation: Invitation) -> ValidationFailed:
    invitation.refresh_from_db()
    return ValidationFailed({"non_field_errors": [f"This invitation has been {invitation.state}."]})


def invitation_accept(*, secret: str, name: str, password: str) -> User:
    """Create the account of an invitation. Raises NotFound if the link does not work, ValidationFailed.

    A conditional update claims the link, so exactly one of two concurrent requests succeeds.
    """
    invitation = invitation_of(secret)
    # Outside the transaction: hashing a password is slow.
    user = user_new(email=invitation.email, name=name, password=password)
    with transaction.atomic(durable=True):
        if not Invitation.objects.open().filter(pk=invitation.pk).update(accepted_at=timezone.now()):
            raise link_not_found()
        invitation.refresh_from_db()
        user.team = invitation.team
        user_save(user)
        Invitation.objects.filter(pk=invitation.pk).update(accepted_by=user)
        audit_record(actor_id=user.pk, action="accept", row=invitation)
    return user


def invitation_of(secret: str) -> Invitation:
    """Return the open invitation of a link. Raises NotFound."""
    invitation = Invitation.objects.open().filter(digest=secret_digest(secret)).first()
    if invitation is None or settings.PANTHEON_SIGNUP == "closed":
        raise link_not_found()
    return invitation


def link_not_found() -> NotFound:
    return NotFound(
        "This invitation has been used, replaced or revoked, or it has expired. Ask for a new one."
    )


def invitation_mail(*, invitation: Invitation, path: str) -> None:
    """Mail the link and set `mailed_at`. A mail error is only logged, because the link can be handed over by hand."""
    context = {"invitation": invitation, "url": mailed_url(path)}
    mail = Mail(
        about=f"the invitation {invitation.pk}",
        subject="You are invited to Pantheon",
        text=render_to_string("accounts/invitation_mail.txt", context),
        to=[invitation.email],
    )
    if mail_send(mail):
        invitation.mailed_at = timezone.now()
        Invitation.objects.filter(pk=invitation.pk).update(mailed_at=invitation.mailed_at)
