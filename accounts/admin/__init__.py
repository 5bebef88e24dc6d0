"""People in the administration: importing the pages registers them."""

from accounts.admin import groups, invitations, people

__all__ = ["groups", "invitations", "people"]
