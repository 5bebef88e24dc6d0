"""Billing in the administration. Importing the modules registers them."""

from billing.admin import budgets, ledger, people, prices

__all__ = ["budgets", "ledger", "people", "prices"]
