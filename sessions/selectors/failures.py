"""The newest failed calls of a provider, for the administration."""

from __future__ import annotations

import datetime as dt
import uuid

from django.db.models import QuerySet
from django.utils import timezone

from orchestration.models import LlmModel
from sessions.models import Call

SHOWN = 10
BACK = dt.timedelta(days=31)


def list_failures(provider_id: uuid.UUID) -> QuerySet[Call]:
    """Return the newest failed calls of a provider's models within BACK, without their texts."""
    models = list(LlmModel.objects.filter(provider=provider_id).values_list("pk", flat=True))
    failed = Call.objects.filter(
        status=Call.Status.FAILED, model__in=models, started_at__gte=timezone.now() - BACK
    )
    return failed.select_related("model").defer("text", "cut_text").order_by("-started_at")[:SHOWN]
