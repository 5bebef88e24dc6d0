"""Writes to the catalogue: providers and their models."""

from __future__ import annotations

from django.core.exceptions import ValidationError
from django.db import models, transaction

from accounts.services.audit import audit_record, values_of
from orchestration.models import LlmModel, Provider
from web.errors import ValidationFailed
from web.validation import fields_of


@transaction.atomic(durable=True)
def provider_add(
    *, name: str, kind: str, base_url: str = "", base_url_env: str = "", key_env: str = ""
) -> Provider:
    """Add a provider, from the command line. `key_env` names the variable with its key; empty: it needs none.

    Raises ValidationFailed.
    """
    provider = Provider(name=name, kind=kind, base_url=base_url, base_url_env=base_url_env, key_env=key_env)
    _check(provider)
    provider.save()
    audit_record(actor_id=None, action="add", row=provider, after=values_of(provider))
    return provider


def model_add(
    *,
    alias: str,
    provider: Provider,
    model_id: str,
    context_window: int,
    max_output_tokens: int,
    json_schema: bool = True,
    temperature: bool = True,
) -> LlmModel:
    """Add a model at the end of its provider's. `context_window` is input and output. Raises ValidationFailed."""
    model = LlmModel(
        alias=alias,
        provider=provider,
        model_id=model_id,
        context_window=context_window,
        max_output_tokens=max_output_tokens,
        json_schema=json_schema,
        temperature=temperature,
    )
    _check(model)
    if max_output_tokens >= context_window:
        raise ValidationFailed({"max_output_tokens": ["It must leave room for input in the context window."]})
    model.save()
    return model


def _check(row: models.Model) -> None:
    try:
        row.full_clean()
    except ValidationError as error:
        raise ValidationFailed(fields_of(error)) from error
