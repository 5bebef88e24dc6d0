"""Billing in the administration: importing the pages registers them."""

from billing.admin import ledger, prices

__all__ = ["ledger", "prices"]
