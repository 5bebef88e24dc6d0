"""Admin pages of accounts. Importing the modules registers them."""

from accounts.admin import groups, invitations, people

__all__ = ["groups", "invitations", "people"]
