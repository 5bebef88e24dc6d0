"""Users, teams, API tokens, set-up links, invitations and the audit log."""

from __future__ import annotations

import hashlib
import secrets
import uuid
from collections.abc import Collection, Iterator
from typing import Any, ClassVar

from django.contrib.auth.models import AbstractBaseUser, BaseUserManager, Group, PermissionsMixin
from django.core.validators import MinLengthValidator
from django.db import models
from django.db.models import Q
from django.db.models.functions import Lower
from django.utils import timezone

from web.dates import moment_text

TOKEN_PREFIX = "pn_"  # noqa: S105  (not a secret: a prefix that secret scanners can find)


def secret_digest(secret: str) -> str:
    """Return the SHA-256 hex digest under which a 256-bit random secret is stored.

    A fast hash is enough: the secret is random, so there is no dictionary to try.
    """
    return hashlib.sha256(secret.encode()).hexdigest()


class Team(models.Model):
    """A group of users whose spending is reported together."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    name = models.CharField(max_length=120, unique=True)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        ordering: ClassVar = ["name"]

    def __str__(self) -> str:
        return self.name


class UserManager(BaseUserManager["User"]):
    def get_by_natural_key(self, username: str | None) -> User:
        return self.get(email=User.normalize_email(username or ""))

    def create_user(self, email: str, password: str | None = None, **fields: Any) -> User:
        user = self.model(email=User.normalize_email(email), **fields)
        user.set_password(password)
        user.save(using=self._db)
        return user

    def create_superuser(self, email: str, password: str | None = None, **fields: Any) -> User:
        return self.create_user(email, password, **{**fields, "is_staff": True, "is_superuser": True})


class User(AbstractBaseUser, PermissionsMixin):
    """A person, who signs in with an email address. `is_active=False` means suspended."""

    id = models.UUIDField("ID", primary_key=True, default=uuid.uuid4, editable=False)
    email = models.EmailField(
        "email",
        max_length=254,
        unique=True,
        error_messages={"unique": "An account with this email address exists."},
    )
    name = models.CharField(max_length=120, blank=True)
    team = models.ForeignKey(Team, null=True, blank=True, on_delete=models.SET_NULL, related_name="members")
    is_staff = models.BooleanField("staff", default=False, help_text="May sign in to the administration.")
    is_active = models.BooleanField("active", default=True, help_text="Clear to suspend the account.")
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    signed_out_at = models.DateTimeField(
        null=True, editable=False, help_text="Sessions from before this moment have ended, for good."
    )

    objects: ClassVar[UserManager] = UserManager()

    EMAIL_FIELD = "email"
    USERNAME_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = []

    class Meta:
        ordering: ClassVar = ["email"]
        # One account per address, however it is typed.
        constraints: ClassVar = [
            models.CheckConstraint(name="user_email_lower", condition=Q(email=Lower("email")))
        ]

    def __str__(self) -> str:
        return self.name or self.email

    def clean(self) -> None:
        self.email = self.normalize_email(self.email)

    def save(self, *args: Any, **kwargs: Any) -> None:
        self.email = self.normalize_email(self.email)
        super().save(*args, **kwargs)

    def get_session_auth_hash(self) -> str:
        return self._since_signed_out(super().get_session_auth_hash())

    def get_session_auth_fallback_hash(self) -> Iterator[str]:
        yield from map(self._since_signed_out, super().get_session_auth_fallback_hash())

    def _since_signed_out(self, session_hash: str) -> str:
        return f"{session_hash} {self.signed_out_at.timestamp()}" if self.signed_out_at else session_hash

    def get_full_name(self) -> str:
        return self.name or self.email

    def get_short_name(self) -> str:
        return self.name or self.email.partition("@")[0]

    @staticmethod
    def normalize_email(email: str) -> str:
        return email.strip().lower()


class ApiTokenQuerySet(models.QuerySet["ApiToken"]):
    def usable(self) -> ApiTokenQuerySet:
        return self.usable_at(timezone.now())

    def usable_at(self, moment: Any) -> ApiTokenQuerySet:
        return self.filter(models.Q(expires_at__isnull=True) | models.Q(expires_at__gt=moment))


class ApiToken(models.Model):
    """A token with which a program uses the API as a user. Only its digest is stored."""

    class Scope(models.TextChoices):
        READ = "read"
        CHAT = "chat"
        MANAGE = "manage"
        ADMIN = "admin"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="api_tokens")
    name = models.CharField(max_length=120, validators=[MinLengthValidator(1)])
    digest = models.CharField(max_length=64, unique=True, editable=False)
    hint = models.CharField(
        max_length=12, editable=False, help_text="How the token begins, to tell tokens apart."
    )
    scopes = models.JSONField(default=list)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    expires_at = models.DateTimeField(null=True, blank=True)
    last_used_at = models.DateTimeField(null=True, blank=True, editable=False)

    objects = ApiTokenQuerySet.as_manager()

    class Meta:
        verbose_name = "API token"
        ordering: ClassVar = ["-created_at"]

    def __str__(self) -> str:
        return f"{self.name} ({self.hint}…)"

    @staticmethod
    def new_secret() -> str:
        return TOKEN_PREFIX + secrets.token_urlsafe(32)


class SetupLink(models.Model):
    """The one-time link that creates the first administrator. Only the newest unused one works. Stored as digest."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    digest = models.CharField(max_length=64, unique=True, editable=False)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    used_at = models.DateTimeField(null=True, blank=True, editable=False)

    def __str__(self) -> str:
        return f"setup link of {moment_text(self.created_at)}"


class InvitationQuerySet(models.QuerySet["Invitation"]):
    def unused(self) -> InvitationQuerySet:
        """Return invitations that were neither accepted nor revoked; they may have expired."""
        return self.filter(accepted_at__isnull=True, revoked_at__isnull=True)

    def open(self) -> InvitationQuerySet:
        """Return invitations that can be accepted now."""
        return self.unused().filter(expires_at__gt=timezone.now())


class Invitation(models.Model):
    """A one-time link to create the account of one email address. Only its digest is stored."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    email = models.EmailField(max_length=254)
    team = models.ForeignKey(
        Team,
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="invitations",
        help_text="The team that the new account will be in.",
    )
    digest = models.CharField(max_length=64, unique=True, editable=False)
    created_by = models.ForeignKey(
        User, null=True, blank=True, editable=False, on_delete=models.SET_NULL, related_name="+"
    )
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    expires_at = models.DateTimeField()
    mailed_at = models.DateTimeField(
        null=True, blank=True, editable=False, help_text="When the mail server took the link."
    )
    accepted_at = models.DateTimeField(null=True, blank=True, editable=False)
    accepted_by = models.ForeignKey(
        User, null=True, blank=True, editable=False, on_delete=models.SET_NULL, related_name="+"
    )
    revoked_at = models.DateTimeField(null=True, blank=True, editable=False)

    objects = InvitationQuerySet.as_manager()

    class Meta:
        ordering: ClassVar = ["-created_at", "-id"]
        constraints: ClassVar = [
            # A new link for an address replaces the earlier one.
            models.UniqueConstraint(
                fields=["email"],
                condition=Q(accepted_at__isnull=True, revoked_at__isnull=True),
                name="invitation_unused_once",
            ),
            models.CheckConstraint(
                name="invitation_one_end", condition=Q(accepted_at__isnull=True) | Q(revoked_at__isnull=True)
            ),
            models.CheckConstraint(name="invitation_email_lower", condition=Q(email=Lower("email"))),
        ]

    def __str__(self) -> str:
        return f"invitation of {self.email}"

    @property
    def state(self) -> str:
        """Return `accepted`, `revoked`, `expired` or `open`."""
        if self.accepted_at is not None:
            return "accepted"
        if self.revoked_at is not None:
            return "revoked"
        return "open" if self.expires_at > timezone.now() else "expired"


class ReadyRole(models.Model):
    """A ready-made role (accounts/roles.py) that was created once as a group, which its administrators may change."""

    name = models.CharField(primary_key=True, max_length=40)
    group = models.OneToOneField(
        Group, null=True, editable=False, on_delete=models.SET_NULL, related_name="ready_role"
    )
    """None: the group was deleted, and is not created again."""
    granted = models.JSONField(default=list)
    """The permissions that Pantheon gave the group last. If it has others, an administrator has changed it."""

    def __str__(self) -> str:
        return self.name


class AuditQuerySet(models.QuerySet["AuditEntry"]):
    """Entries can be added and read, and otherwise only be erased."""

    def update(self, **kwargs: Any) -> int:
        raise TypeError("the audit log is never changed")

    def bulk_update(self, objs: Any, fields: Any, batch_size: int | None = None) -> int:
        raise TypeError("the audit log is never changed")

    def delete(self) -> tuple[int, dict[str, int]]:
        raise TypeError("the audit log is never deleted")

    def erase(self, object_ids: Collection[str]) -> int:
        """Blank names and values in the entries about these objects, whose owner is being erased."""
        about = self.filter(object_id__in=object_ids)
        return models.QuerySet.update(about, object_label="", before={}, after={})


class AuditEntry(models.Model):
    """Who changed what in the administration, with the values before and after; never with a secret.

    Users and objects are stored by id and former label instead of foreign keys, so that entries outlive them.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    at = models.DateTimeField(default=timezone.now, editable=False)
    actor_id = models.UUIDField(null=True, blank=True)
    action = models.CharField(max_length=32)
    object_type = models.CharField(max_length=64)
    object_id = models.CharField(max_length=64)
    object_label = models.CharField(max_length=200)
    before = models.JSONField(default=dict, blank=True)
    after = models.JSONField(default=dict, blank=True)

    objects = AuditQuerySet.as_manager()

    class Meta:
        verbose_name = "audit entry"
        verbose_name_plural = "audit log"
        ordering: ClassVar = ["-at", "id"]
        indexes: ClassVar = [
            models.Index(fields=["-at", "id"], name="audit_newest"),  # the log page
            models.Index(fields=["object_type", "object_id"], name="audit_of_object"),  # what became of a row
        ]

    def __str__(self) -> str:
        return f"{self.action} {self.object_label}"

    def save(self, *args: Any, **kwargs: Any) -> None:
        if not self._state.adding:
            raise TypeError("the audit log is never changed")
        super().save(*args, **kwargs)

    def delete(self, *args: Any, **kwargs: Any) -> tuple[int, dict[str, int]]:
        raise TypeError("the audit log is never deleted")
