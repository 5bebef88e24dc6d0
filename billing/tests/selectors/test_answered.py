"""Providers that have answered, by the ledger."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import transaction

from billing.selectors.answered import has_answered
from billing.services.usage import usage_stage
from billing.tests.factories import call, make_model, payer
from orchestration.models import LlmModel
from orchestration.selectors import default_model

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(("status", "answered"), [("failed", False), ("ok", True)])
def test_a_provider_without_a_key_is_a_default_once_it_has_answered(
    status: str, answered: bool, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.PANTHEON_DEFAULT_MODEL = ""
    for name in ("OPENAI_API_KEY", "ANTHROPIC_API_KEY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(f"{name}_FILE", raising=False)
    model = make_model("local-model")
    with transaction.atomic():
        usage_stage(payer=payer(), calls=[call(model, status=status)], has_hold=False)

    assert has_answered(LlmModel.objects.get(pk=model.pk).provider) is answered
    assert default_model(has_answered).alias == ("local-model" if answered else "demo")
