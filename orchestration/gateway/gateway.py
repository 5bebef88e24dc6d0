"""The models of the world: one method that calls any of them, whatever the provider."""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import AsyncGenerator

from orchestration.engine.ports import Failed, ModelEvent
from orchestration.engine.specs import ModelRequest
from orchestration.gateway.demo import demo_events
from orchestration.gateway.errors import Origin
from orchestration.gateway.keys import Endpoint, NotConfigured, resolve
from orchestration.gateway.streaming import GatewayConfig, ListingWire, Wire, model_events

__all__ = ["Gateway", "GatewayConfig"]

WIRES = {
    "openai": ("orchestration.gateway.openai_chat", "OpenAIChat"),
    "anthropic": ("orchestration.gateway.anthropic_messages", "AnthropicMessages"),
}
"""Kind of provider -> the module that speaks to it. An SDK takes a second and 40 MB to import: only when it is used."""

CLOSE_S = 1.0


class Gateway:
    """The `Models` port. Used from one event loop: it keeps that loop's connections warm, one client per endpoint."""

    def __init__(self, config: GatewayConfig) -> None:
        self._config = config
        self._wires: dict[Endpoint, Wire] = {}

    def stream(self, request: ModelRequest) -> AsyncGenerator[ModelEvent, None]:
        """Call a model: yield its events, the last of them one Completed or Failed.

        Never raises for what a provider does. Closing the generator, or cancelling who reads it, aborts the call.
        """
        if request.model.kind == "demo":
            return demo_events(request, self._config.demo_words_per_s)
        return self._stream(request)

    async def aclose(self) -> None:
        """Close every connection, as far as they close in time. The gateway may be used again."""
        wires, self._wires = self._wires, {}
        closing = [asyncio.ensure_future(wire.aclose()) for wire in wires.values()]
        if closing:
            done, _ = await asyncio.wait(closing, timeout=CLOSE_S)
            for task in done:
                task.result()

    async def _stream(self, request: ModelRequest) -> AsyncGenerator[ModelEvent, None]:
        try:
            endpoint = resolve(request.model)
            wire = await self._wire(endpoint)
        except NotConfigured as error:
            yield Failed("provider_error", str(error), retryable=False, may_have_cost=False)
            return
        texts = [request.system, *(message.text for message in request.messages)]
        origin = Origin(request.model, endpoint.key, texts=texts)
        events = model_events(wire, request, origin, self._config)
        try:
            async for event in events:
                yield event
        finally:
            await events.aclose()

    async def _wire(self, endpoint: Endpoint) -> Wire:
        """Return the client for an endpoint. A new key makes a new client."""
        if endpoint.kind not in WIRES:
            raise NotConfigured(f"There is no provider of kind {endpoint.kind}.")
        if endpoint not in self._wires:
            wire = await asyncio.to_thread(make_wire, endpoint, self._config)
            # Another call may have been here meanwhile.
            self._wires.setdefault(endpoint, wire)
        return self._wires[endpoint]


def make_wire(endpoint: Endpoint, config: GatewayConfig) -> ListingWire:
    """Make the client for an endpoint. Slow (imports, certificates): not for the event loop."""
    module, name = WIRES[endpoint.kind]
    wire: ListingWire = getattr(importlib.import_module(module), name)(endpoint, config.http_timeout())
    return wire
