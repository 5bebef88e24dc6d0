"""Reads of the catalogue: which models there are to choose from, and which one is the default."""

from __future__ import annotations

from django.conf import settings

from orchestration.engine.specs import ModelSpec
from orchestration.models import LlmModel, Provider
from pantheon.errors import PantheonError

DEFAULT_ORDER = ("openai", "anthropic")
"""Providers that come first when the default model is chosen; then the others by name, the demo last."""


def available_models() -> list[LlmModel]:
    """Return the models that are switched on, at providers that are switched on and have their key."""
    return [model for model in LlmModel.objects.enabled() if model.provider.has_key]


def model_by_alias(alias: str) -> LlmModel:
    """Return an available model. Raises `model_unavailable`."""
    for model in available_models():
        if model.alias == alias:
            return model
    raise PantheonError(
        "model_unavailable", f"The model {alias} is unknown, switched off or lacks its key.", {"model": alias}
    )


def default_model() -> LlmModel:
    """Return the instance's default: PANTHEON_DEFAULT_MODEL, else the first model of the first provider with a key.

    Raises `model_unavailable` where the configured one is not available, or none is.
    """
    if settings.PANTHEON_DEFAULT_MODEL:
        return model_by_alias(settings.PANTHEON_DEFAULT_MODEL)
    models = sorted(
        available_models(), key=lambda model: (provider_rank(model.provider), model.position, model.alias)
    )
    if not models:
        raise PantheonError(
            "model_unavailable", "No model is available: switch one on in the administration."
        )
    return models[0]


def provider_rank(provider: Provider) -> tuple[int, str]:
    if provider.name in DEFAULT_ORDER:
        return DEFAULT_ORDER.index(provider.name), ""
    is_demo = provider.kind == Provider.Kind.DEMO
    return len(DEFAULT_ORDER) + is_demo, provider.name


def model_spec(model: LlmModel) -> ModelSpec:
    """Return a catalogue row as the frozen spec that a turn is stored with."""
    provider = model.provider
    return ModelSpec(
        id=str(model.pk),
        alias=model.alias,
        model_id=model.model_id,
        provider=provider.name,
        kind=provider.kind,
        base_url=provider.base_url,
        base_url_env=provider.base_url_env,
        key_env=provider.key_env,
        context_window=model.context_window,
        max_output_tokens=model.max_output_tokens,
        json_schema=model.json_schema,
        temperature=model.temperature,
    )
