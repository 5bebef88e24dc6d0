"""Amounts, percentages, budgets and audit entries in words."""
