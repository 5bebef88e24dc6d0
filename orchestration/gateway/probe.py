"""Test whether a provider answers and accepts its key, by requesting its list of models, which is free.

Nothing is generated: that would have to be billed, and the ledger only has calls of turns.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace

import httpx2

from orchestration.engine.specs import ModelSpec
from orchestration.gateway.errors import Origin, failure, no_client, no_server
from orchestration.gateway.gateway import make_wire
from orchestration.gateway.keys import Endpoint, NotConfigured, resolve
from orchestration.gateway.kinds import KINDS
from orchestration.gateway.listings import ListedModel, NoList
from orchestration.gateway.refusals import address_of
from orchestration.gateway.streaming import GatewayConfig, ListingWire

LIMIT_S = 10.0
WRONG_KEY = "no-key-at-all"
"""Sent to find out whether a server checks keys at all."""


@dataclass(frozen=True, slots=True)
class Probe:
    """The result of testing a provider; the message never contains the key."""

    works: bool
    message: str
    unlisted: tuple[str, ...] = ()
    """Requested model ids that are not in the provider's list."""
    listed: Mapping[str, ListedModel] = field(default_factory=dict)
    """The provider's list, by model id."""


async def probe(model: ModelSpec, model_ids: Collection[str] = (), *, limit_s: float = LIMIT_S) -> Probe:
    """Request the list of models from a model's provider and check these ids against it. Takes `limit_s` at most."""
    try:
        endpoint = resolve(model)
    except NotConfigured as error:
        return Probe(False, str(error))
    origin = Origin(model, endpoint.key)
    try:
        # Before the clock starts: the SDK's first import takes seconds, which are not the provider's.
        wire = await wire_for(endpoint, limit_s)
    except Exception as error:  # noqa: BLE001 - whatever the client's libraries raise for this environment
        return Probe(False, no_client(error, origin))
    started = time.monotonic()
    try:
        async with asyncio.timeout(limit_s):
            listed = await models_of(wire)
            took_s = time.monotonic() - started
            unproven = bool(model.key_env) and await takes_any_key(endpoint, limit_s)
    except NoList as error:
        if error.is_page:
            return Probe(False, no_server(model).message)
        message = f"The provider {model.provider} answered without a list of models: check its base URL."
        return Probe(False, message)
    except TimeoutError:
        silent = f"The provider {model.provider} did not answer within {limit_s:g} s"
        return Probe(False, f"{silent}: check its server, and {address_of(model)}.")
    except Exception as error:  # noqa: BLE001 - any provider error is data: it is logged and named there
        return Probe(False, sentence(error, model, origin))
    message = f"Connected: the list of models arrived after {took_s:.1f} s."
    if unproven:
        message += " This server shows its list to anyone, so the key itself isn't verified."
    names = dict.fromkeys(model_ids)  # several aliases may share one
    unlisted = tuple(name for name in names if not is_listed(name, listed))
    return Probe(True, message, unlisted, listed)


async def wire_for(endpoint: Endpoint, limit_s: float) -> ListingWire:
    config = GatewayConfig(
        # Shorter than the limit, so that a server that cannot be reached is named as such.
        connect_timeout_s=limit_s / 2,
        first_token_timeout_s=limit_s,
        between_tokens_timeout_s=limit_s,
    )
    return await asyncio.to_thread(make_wire, endpoint, config)


async def models_of(wire: ListingWire) -> Mapping[str, ListedModel]:
    """Return a server's models by id; close its client. Raises NoList and the client's errors."""
    try:
        return await wire.list_models()
    finally:
        await wire.aclose()


async def takes_any_key(endpoint: Endpoint, limit_s: float) -> bool:
    """Return whether a server also shows its list for a wrong key, as some OpenAI-compatible servers do."""
    if endpoint.base_url == KINDS[endpoint.kind].base_url:
        return False
    try:
        await models_of(await wire_for(replace(endpoint, key=WRONG_KEY), limit_s))
    except Exception as error:
        if isinstance(getattr(error, "response", None), httpx2.Response):
            return False
        raise
    return True


def is_listed(name: str, listed: Collection[str]) -> bool:
    """Return whether a list has a model: by name, with a path before it (Gemini), or dated (Anthropic's aliases)."""
    return any(
        each == name or each.endswith(f"/{name}") or each.startswith(f"{name}-") or each == f"{name}:latest"
        for each in listed
    )


def sentence(error: Exception, model: ModelSpec, origin: Origin) -> str:
    """Return the sentence that a turn has for this failure, but for an address without a list of models."""
    response = getattr(error, "response", None)
    failed = failure(error, origin)
    if isinstance(response, httpx2.Response) and response.status_code == httpx2.codes.NOT_FOUND:
        return f"The provider {model.provider} has no list of models at its address: check its base URL."
    return failed.message
