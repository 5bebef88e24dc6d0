"""Reads of the catalogue: the available models and the default."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

from django.conf import settings

from orchestration.engine.efforts import FIELD, not_refused
from orchestration.engine.specs import IMAGES, ModelSpec
from orchestration.gateway.kinds import KINDS
from orchestration.models import LlmModel, Provider
from web.errors import PantheonError


def available_models() -> list[LlmModel]:
    """Return the enabled models of enabled providers that have their key.

    By provider, then by the provider's own order.
    """
    models = [model for model in LlmModel.objects.enabled() if model.provider.has_key]
    return sorted(models, key=lambda model: (provider_rank(model.provider), model.position, model.alias))


def model_by_alias(alias: str) -> LlmModel:
    """Return an available model. Raises `model_unavailable` with the cure."""
    model = LlmModel.objects.select_related("provider").filter(alias=alias).first()
    if model is None:
        reason = "is not in the catalogue"
    elif not (model.enabled and model.provider.enabled):
        reason = "is disabled"
    elif not model.provider.has_key:
        reason = f"lacks its key: {model.provider.key_cure}"
    else:
        return model
    raise PantheonError("model_unavailable", f"The model {alias} {reason}.", {"model": alias})


def is_tested(provider: Provider) -> bool:
    return provider.tested_at is not None


def default_model(has_answered: Callable[[Provider], bool] = is_tested) -> LlmModel:
    """Return the instance's default: PANTHEON_DEFAULT_MODEL, else the first model of the first provider with a key.

    Then come providers without a key that `has_answered`, then the demo: nobody may ever have started the server of
    any other. Raises `model_unavailable` if the configured model is not available, or none is.
    """
    if settings.PANTHEON_DEFAULT_MODEL:
        return model_by_alias(settings.PANTHEON_DEFAULT_MODEL)
    if not (models := available_models()):
        raise PantheonError("model_unavailable", "No model is available. Enable one in the administration.")
    if model := next((model for model in models if model.provider.key_env), None):
        return model
    answered = cache(has_answered)
    return next((model for model in models if model.provider.is_demo or answered(model.provider)), models[0])


def provider_rank(provider: Provider) -> tuple[int, str]:
    """Return a provider's place in the list of models: kinds' own, others by name, the demo last."""
    first = [kind.key for kind in KINDS.values() if kind.wire]
    if provider.is_demo:
        return len(first) + 1, provider.name
    if provider.name in first:
        return first.index(provider.name), ""
    return len(first), provider.name


def offered_efforts(model: LlmModel) -> list[str] | None:
    """Return the reasoning efforts that a model offers; empty if it takes none, None if that is not known."""
    if FIELD in model.unsupported:
        return []
    return [*not_refused(model.reasoning_efforts, model.unsupported)] if model.reasoning_efforts else None


def takes_images(model: LlmModel) -> bool:
    """Return whether images are sent to a model: its server has not refused them."""
    return model.vision and IMAGES not in model.unsupported


def model_spec(model: LlmModel) -> ModelSpec:
    """Return a catalogue row as the frozen spec that is stored with a turn."""
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
        vision=model.vision,
        prompt_caching=model.prompt_caching,
        reasoning_effort=model.reasoning_effort,
        reasoning_efforts=tuple(model.reasoning_efforts),
        served_as=model.served_as,
        unsupported=tuple(sorted(model.unsupported)),
        first_token_timeout_s=model.first_token_timeout_s,
    )
