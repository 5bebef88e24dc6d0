"""Admin pages of accounts. Importing the modules registers them."""

from accounts.admin import audit_log, groups, invitations, people

__all__ = ["audit_log", "groups", "invitations", "people"]
