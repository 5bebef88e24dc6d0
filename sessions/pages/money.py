"""Money as the pages of a conversation show it; it is billing's to say."""

from __future__ import annotations

from billing.money import Money, money, short_usd

__all__ = ["Money", "money", "short_usd"]
