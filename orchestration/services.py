"""Writes to the catalogue: providers and their models."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from django.db import transaction
from django.utils import timezone

from accounts.services.audit import audit_record, values_of
from orchestration.gateway.request_fields import FIELDS
from orchestration.models import LlmModel, Provider
from web.errors import ValidationFailed
from web.rfc3339 import rfc3339
from web.validation import require_valid

BY_HAND = "set by hand"
"""The reason of request fields that staff have switched off."""


@transaction.atomic(durable=True)
def provider_add(
    *, name: str, kind: str, base_url: str = "", base_url_env: str = "", key_env: str = ""
) -> Provider:
    """Add a provider, from the command line. `key_env` names the variable with its key; empty: it needs none.

    Raises ValidationFailed.
    """
    provider = Provider(name=name, kind=kind, base_url=base_url, base_url_env=base_url_env, key_env=key_env)
    require_valid(provider)
    provider.save()
    audit_record(actor_id=None, action="add", row=provider, after=values_of(provider))
    return provider


def provider_test_record(*, provider_id: uuid.UUID) -> None:
    """Record that a provider's list of models was read."""
    Provider.objects.filter(pk=provider_id).update(tested_at=timezone.now())


def model_add(
    *,
    alias: str,
    provider: Provider,
    model_id: str,
    context_window: int,
    max_output_tokens: int,
    json_schema: bool = True,
    temperature: bool = True,
    vision: bool = False,
    served_as: str = "",
    reasoning_efforts: Sequence[str] = (),
    reasoning_effort: str = "",
) -> LlmModel:
    """Add a model at the end of its provider's. `context_window` is input and output. Raises ValidationFailed.

    `served_as`: the provider's name for it in answers, if that is not `model_id`. `reasoning_efforts`: those that it
    offers; empty: not known.
    """
    model = LlmModel(
        alias=alias,
        provider=provider,
        model_id=model_id,
        context_window=context_window,
        max_output_tokens=max_output_tokens,
        json_schema=json_schema,
        temperature=temperature,
        vision=vision,
        served_as=served_as,
        reasoning_efforts=[*reasoning_efforts],
        reasoning_effort=reasoning_effort,
    )
    require_valid(model)
    if max_output_tokens >= context_window:
        raise ValidationFailed({"max_output_tokens": ["It must leave room for input in the context window."]})
    model.save()
    return model


@transaction.atomic(durable=True)
def unsupported_field_record(*, model_id: uuid.UUID, field: str, reason: str) -> None:
    """Record that a model's server refuses a request field, so that further requests leave it out.

    `field`: a key of FIELDS. Without effect if it is recorded already, or the model is gone.
    """
    model = LlmModel.objects.select_for_update().filter(pk=model_id).first()
    if model is None or field not in FIELDS or field in model.unsupported:
        return
    before = values_of(model)
    model.unsupported = unsupported_with(model.unsupported, [*model.unsupported, field], reason=reason)
    model.save(update_fields=["unsupported"])
    audit_record(actor_id=None, action="change", row=model, before=before, after=values_of(model))


@transaction.atomic(durable=True)
def unsupported_fields_forget(*, model_id: uuid.UUID, actor_id: uuid.UUID | None) -> list[str]:
    """Forget which request fields a model's server has refused, and return them; those set by hand stay.

    They are sent again from the next turn on. Raises LlmModel.DoesNotExist.
    """
    model = LlmModel.objects.select_for_update().get(pk=model_id)
    learnt = [field for field, entry in model.unsupported.items() if is_learnt(entry)]
    if not learnt:
        return []
    before = values_of(model)
    model.unsupported = {key: entry for key, entry in model.unsupported.items() if key not in learnt}
    model.save(update_fields=["unsupported"])
    audit_record(actor_id=actor_id, action="change", row=model, before=before, after=values_of(model))
    return learnt


def is_learnt(entry: Mapping[str, Any]) -> bool:
    """Return whether a field of `LlmModel.unsupported` was refused by the server, not set by hand."""
    return entry.get("reason") != BY_HAND


def unsupported_with(before: Mapping[str, Any], fields: Iterable[str], *, reason: str) -> dict[str, Any]:
    """Return the value of `LlmModel.unsupported` for these fields: what is known of them stays."""
    new = {"since": rfc3339(timezone.now()), "reason": reason[:200]}
    return {field: before.get(field, new) for field in fields if field in FIELDS}
