"""Billing in the administration: importing the pages registers them."""

from billing.admin import budgets, ledger, prices

__all__ = ["budgets", "ledger", "prices"]
