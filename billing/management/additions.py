"""Audit entries for the models and prices that commands add."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.db.models import Model
from django.db.models.signals import post_save

from accounts.services.audit import audit_record, values_of
from billing.models import ModelPrice
from orchestration.models import LlmModel


@contextmanager
def additions_audited() -> Iterator[None]:
    """Audit each model and price that this thread adds, in the same transaction, without an actor."""
    thread = threading.get_ident()

    def record(sender: type[Model], instance: Model, created: bool, **kwargs: Any) -> None:
        if created and threading.get_ident() == thread:
            audit_record(actor_id=None, action="add", row=instance, after=values_of(instance))

    senders = (LlmModel, ModelPrice)
    for sender in senders:
        post_save.connect(record, sender=sender, weak=False)
    try:
        yield
    finally:
        for sender in senders:
            post_save.disconnect(record, sender=sender)
