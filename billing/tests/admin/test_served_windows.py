"""Servers whose context window is smaller than the catalogue's: the warnings in the administration."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from django.db import transaction
from django.utils import timezone

from accounts.tests.support.admin_site import page, static_files_as_they_are, superuser
from billing.models import UsageEvent
from billing.selectors.served_windows import served_windows
from billing.services.usage import usage_stage
from billing.tests.factories import call, payer, report
from orchestration.engine.specs import Usage, UsageReport
from orchestration.models import LlmModel, Provider

__all__ = ["static_files_as_they_are"]

pytestmark = pytest.mark.django_db

CUT = "its server read 4,000 tokens of a longer input, without an error. Raise its context length (Ollama: "
REFUSED = "its server refused a request as too long: it takes 8,192 tokens."


@pytest.fixture
def model() -> LlmModel:
    provider = Provider.objects.create(name="lab", kind="openai")
    return LlmModel.objects.create(
        alias="lab-1", provider=provider, model_id="one", context_window=32_768, max_output_tokens=1024
    )


def bill(model: LlmModel, *reports: UsageReport) -> None:
    """Bill calls, oldest first."""
    start = timezone.now() - dt.timedelta(minutes=len(reports))
    with transaction.atomic():
        for minute, each in enumerate(reports):
            at = start + dt.timedelta(minutes=minute)
            usage_stage(payer=payer(), calls=[call(model, ended_at=at, report=each)])


def cut(tokens: int = 4_000) -> UsageReport:
    return report(usage=Usage(input=tokens, output=5), flags=("input_cut",))


def refused() -> UsageReport:
    return UsageReport(Usage(), "none", flags=("context_limit:8192",))


def shown(model: LlmModel) -> tuple[str, str]:
    """Return the list of models and the model's own page, as texts."""
    client = superuser()
    pages: list[Any] = [
        client.get(page(LlmModel, "changelist")),
        client.get(page(LlmModel, "change", model.pk)),
    ]
    listed, own = (each.content.decode() for each in pages)
    return listed, own


@pytest.mark.parametrize(("found", "sentence"), [(cut(), CUT), (refused(), REFUSED)], ids=["cut", "refused"])
def test_the_list_and_the_page_of_models_warn(model: LlmModel, found: UsageReport, sentence: str) -> None:
    bill(model, found)
    for text in shown(model):
        assert sentence in text


def test_the_newest_finding_counts(model: LlmModel) -> None:
    bill(model, refused(), cut())
    assert served_windows()[model.pk].is_cut


def test_a_server_that_has_read_more_since_is_not_warned_of(model: LlmModel) -> None:
    bill(model, cut(), report(usage=Usage(input=9_000, output=5)))
    assert served_windows() == {}


def test_a_corrected_catalogue_ends_the_warning(model: LlmModel) -> None:
    bill(model, refused())
    LlmModel.objects.update(context_window=8_192)
    for text in shown(model):
        assert REFUSED not in text


def test_the_ledger_has_no_other_events(model: LlmModel) -> None:
    bill(model, report())
    assert UsageEvent.objects.count() == 1
    assert served_windows(model.pk) == {}
