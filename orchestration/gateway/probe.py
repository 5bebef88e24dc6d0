"""Whether a provider answers, and takes its key: asked by the list of its models, which costs nothing.

Nothing is generated for it: that would have to be on the bill, and the ledger has calls of turns alone.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Collection
from dataclasses import dataclass, replace

import httpx2

from orchestration.engine.specs import ModelSpec
from orchestration.gateway.connections import NoList
from orchestration.gateway.errors import Origin, failure
from orchestration.gateway.gateway import make_wire
from orchestration.gateway.keys import Endpoint, NotConfigured, resolve
from orchestration.gateway.kinds import KINDS
from orchestration.gateway.streaming import GatewayConfig, ListingWire

LIMIT_S = 10.0
WRONG_KEY = "no-key-at-all"
"""Sent to find out whether a server looks at keys at all."""


@dataclass(frozen=True, slots=True)
class Probe:
    """What came of asking a provider; the message never holds the key."""

    works: bool
    message: str
    unlisted: tuple[str, ...] = ()
    """Model ids that were asked about and that the provider does not have in its list."""


async def probe(model: ModelSpec, model_ids: Collection[str] = (), *, limit_s: float = LIMIT_S) -> Probe:
    """Ask the provider of a model for its list of models, and look whether these are in it. Takes `limit_s` at most."""
    try:
        endpoint = resolve(model)
    except NotConfigured as error:
        return Probe(False, str(error))
    wire = await wire_for(
        endpoint, limit_s
    )  # the SDK's first import takes seconds, which are not the provider's
    started = time.monotonic()
    try:
        async with asyncio.timeout(limit_s):
            listed = await models_of(wire)
            took_s = time.monotonic() - started
            unproven = bool(model.key_env) and await takes_any_key(endpoint, limit_s)
    except NoList:
        message = f"The provider {model.provider} answered without a list of models: check its base URL."
        return Probe(False, message)
    except TimeoutError:
        return Probe(False, f"The provider {model.provider} did not answer within {limit_s:g} s: {NETWORK}")
    except Exception as error:  # noqa: BLE001 - whatever a provider does is data: it is logged and named there
        return Probe(False, sentence(error, model, endpoint))
    said = f"It works: the list of models came after {took_s:.1f} s."
    if unproven:
        said += " This server shows its list to everybody, so that the key itself is not proven."
    asked = dict.fromkeys(model_ids)  # several aliases may share one
    return Probe(True, said, tuple(name for name in asked if not is_listed(name, listed)))


NETWORK = "check this machine's network and the provider's base URL."


async def wire_for(endpoint: Endpoint, limit_s: float) -> ListingWire:
    config = GatewayConfig(
        connect_timeout_s=limit_s, first_token_timeout_s=limit_s, between_tokens_timeout_s=limit_s
    )
    return await asyncio.to_thread(make_wire, endpoint, config)


async def models_of(wire: ListingWire) -> set[str]:
    """Return the ids of the models that a server lists; close its client. Raises NoList, and what the client raises."""
    try:
        return await wire.list_models()
    finally:
        await wire.aclose()


async def takes_any_key(endpoint: Endpoint, limit_s: float) -> bool:
    """Tell whether a server shows its list with a wrong key too, as some that speak like OpenAI do."""
    if endpoint.base_url == KINDS[endpoint.kind].base_url:
        return False
    try:
        await models_of(await wire_for(replace(endpoint, key=WRONG_KEY), limit_s))
    except Exception as error:
        if isinstance(getattr(error, "response", None), httpx2.Response):
            return False
        raise
    return True


def is_listed(name: str, listed: set[str]) -> bool:
    """Tell whether a list has a model: itself, with a path before it (Gemini), or dated (Anthropic's aliases)."""
    return any(
        each == name or each.endswith(f"/{name}") or each.startswith(f"{name}-") or each == f"{name}:latest"
        for each in listed
    )


def sentence(error: Exception, model: ModelSpec, endpoint: Endpoint) -> str:
    """Return what went wrong and what to do about it."""
    response = getattr(error, "response", None)
    failed = failure(error, Origin(model, endpoint.key))
    if not isinstance(response, httpx2.Response):
        return f"{failed.message.removesuffix('.')}: {NETWORK}"
    if response.status_code == httpx2.codes.NOT_FOUND:
        return f"The provider {model.provider} has no list of models at its address: check its base URL."
    return failed.message
