"""Providers that have answered, by a test or by the ledger."""

from __future__ import annotations

from billing.models import UsageEvent
from orchestration.models import Provider
from orchestration.selectors import is_tested


def has_answered(provider: Provider) -> bool:
    """Return whether a provider's list of models was ever read, or one of its models has answered."""
    if is_tested(provider):
        return True
    answers = UsageEvent.objects.calls().filter(status=UsageEvent.Status.OK)
    return answers.filter(model__provider=provider).exists()
