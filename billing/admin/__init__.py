"""Billing in the administration. Importing the modules registers them."""

from billing.admin import budgets, ledger, prices

__all__ = ["budgets", "ledger", "prices"]
