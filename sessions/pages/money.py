"""Money formatting for the pages of a conversation, imported from billing."""

from __future__ import annotations

from billing.texts.money import Money, money, short_usd

__all__ = ["Money", "money", "short_usd"]
