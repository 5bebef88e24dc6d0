"""The initial providers and models."""

from __future__ import annotations

from importlib import import_module

import pytest
from django.core.management.color import no_style
from django.db import connection
from django.db.migrations.loader import MigrationLoader

from orchestration.models import LlmModel, Provider

migration = import_module("orchestration.migrations.0002_starter_catalogue")


@pytest.mark.django_db
def test_the_rows_are_valid_and_complete() -> None:
    assert {
        provider.name: (provider.kind, provider.key_env, provider.base_url_env)
        for provider in Provider.objects.all()
    } == {
        "openai": ("openai", "OPENAI_API_KEY", "OPENAI_BASE_URL"),
        "anthropic": ("anthropic", "ANTHROPIC_API_KEY", "ANTHROPIC_BASE_URL"),
        "demo": ("demo", "", ""),
    }
    for row in [*Provider.objects.all(), *LlmModel.objects.all()]:
        row.full_clean()
    assert list(LlmModel.objects.filter(provider__name="demo").values_list("alias", flat=True)) == ["demo"]


@pytest.mark.django_db
def test_it_goes_back_and_forth() -> None:
    # The state before there were prices.
    then = MigrationLoader(connection).project_state(("orchestration", "0002_starter_catalogue")).apps
    connection.ops.execute_sql_flush(  # a price cannot be deleted
        connection.ops.sql_flush(no_style(), ["billing_modelprice"], allow_cascade=True)
    )
    before = list(LlmModel.objects.values_list("alias", "position", "context_window"))
    migration.remove(then, None)
    assert not LlmModel.objects.exists()
    assert not Provider.objects.exists()
    migration.add(then, None)
    assert list(LlmModel.objects.values_list("alias", "position", "context_window")) == before


@pytest.mark.django_db
def test_the_models_of_both_providers_have_efforts() -> None:
    models = LlmModel.objects.exclude(provider__name="demo")
    assert all("high" in model.reasoning_efforts for model in models)
    assert not LlmModel.objects.get(alias="demo").reasoning_efforts


@pytest.mark.django_db
def test_the_models_take_images() -> None:
    assert not LlmModel.objects.filter(vision=False).exists()
    assert not LlmModel._meta.get_field("vision").default
