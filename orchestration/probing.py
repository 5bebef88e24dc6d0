"""Test a provider of the catalogue: whether it answers, accepts its key, and has the enabled models."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from orchestration.engine.specs import ModelSpec
from orchestration.gateway.listings import ListedModel
from orchestration.gateway.probe import Probe, probe
from orchestration.models import Provider
from orchestration.services import provider_test_record


class NotListable(Exception):
    """A provider's list of models could not be read. The message says why."""


def provider_probe(provider: Provider) -> Probe:
    """Request the provider's list of models; no model is called, so nothing is billed. Slow: up to ten seconds.

    A success is recorded.
    """
    model_ids = list(provider.llm_models.filter(enabled=True).values_list("model_id", flat=True))
    result = asyncio.run(probe(spec_of(provider, model_ids), model_ids))
    if result.works:
        provider_test_record(provider_id=provider.pk)
    return result


def provider_models(provider: Provider) -> Mapping[str, ListedModel]:
    """Return the models that a provider's server lists, by id. Raises NotListable with a sentence."""
    result = asyncio.run(probe(spec_of(provider, [])))
    if not result.works:
        raise NotListable(result.message)
    provider_test_record(provider_id=provider.pk)
    return result.listed


def spec_of(provider: Provider, model_ids: list[str]) -> ModelSpec:
    """Return the provider as a ModelSpec, which the gateway needs. No model is called."""
    return ModelSpec(
        id="",
        alias="",
        model_id=model_ids[0] if model_ids else "",
        provider=provider.name,
        kind=provider.kind,
        base_url=provider.base_url,
        base_url_env=provider.base_url_env,
        key_env=provider.key_env,
        context_window=0,
        max_output_tokens=0,
        json_schema=False,
        temperature=False,
    )
