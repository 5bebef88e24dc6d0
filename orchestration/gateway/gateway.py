"""The gateway: one method that calls any model of any provider."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Collection
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace

from orchestration.engine.ports import Failed, ModelEvent
from orchestration.engine.specs import ModelRequest
from orchestration.gateway.demo import demo_events
from orchestration.gateway.errors import Origin, no_client
from orchestration.gateway.images import ImageMissing, ImageSource, NoImages, TooManyImages, images_of
from orchestration.gateway.keys import Endpoint, NotConfigured, resolve
from orchestration.gateway.kinds import DEMO, KINDS
from orchestration.gateway.refused_fields import OnUnsupported, RefusedFields
from orchestration.gateway.streaming import GatewayConfig, ListingWire, Wire, model_events

log = logging.getLogger(__name__)

__all__ = ["Gateway", "GatewayConfig"]

CLOSE_S = 1.0

BUSY = "Too many images are being sent at once. Try again in a minute."

CALLS_PER_CLIENT = 16
"""A client's pool checks each of its connections twice per call, idle ones with a system call: with 64 of them this
took a third of the loop's time."""


@dataclass(slots=True)
class Client:
    """An SDK's client with its connection pool, and the number of calls in progress."""

    wire: Wire
    calls: int = 0


class Gateway:
    """The `Models` port. Use it from one event loop only: it keeps that loop's connections open."""

    def __init__(
        self,
        config: GatewayConfig,
        *,
        on_unsupported: OnUnsupported | None = None,
        images: ImageSource | None = None,
    ) -> None:
        """`on_unsupported` is called once a model has answered without a field that its server had refused.

        `images`: where the content of images is read.
        """
        self._config = config
        self._images = images or NoImages()
        self._wires: dict[Endpoint, list[Client]] = {}
        self._refused = RefusedFields(on_unsupported)

    def stream(self, request: ModelRequest) -> AsyncGenerator[ModelEvent, None]:
        """Call a model: yield its events, the last of them one Completed or Failed.

        Never raises because of a provider. Closing the generator, or cancelling its reader, aborts the call.
        """
        if request.model.kind == DEMO.key:
            return demo_events(request, self._config.demo_words_per_s)
        return self._stream(request)

    async def aclose(self) -> None:
        """Close all connections, except those that do not close in time. The gateway can be used again."""
        clients, self._wires = [client for group in self._wires.values() for client in group], {}
        closing = [asyncio.ensure_future(client.wire.aclose()) for client in clients]
        if closing:
            done, _ = await asyncio.wait(closing, timeout=CLOSE_S)
            for task in done:
                if (error := task.exception()) is not None:
                    log.warning("a client could not be closed: %s", type(error).__name__)

    async def _stream(self, request: ModelRequest) -> AsyncGenerator[ModelEvent, None]:
        whole, request = request, self._refused.without(request)
        texts = [request.system, *(message.text for message in request.messages)]
        origin = Origin(request.model, "", texts=texts)
        try:
            endpoint = resolve(request.model)
            origin = Origin(request.model, endpoint.key, texts=texts)
            client = await self._client(endpoint)
        except NotConfigured as error:
            yield Failed("provider_error", str(error), retryable=False, may_have_cost=False)
            return
        except Exception as error:  # noqa: BLE001 - whatever the client's libraries raise for this environment
            yield Failed("provider_error", no_client(error, origin), retryable=False, may_have_cost=False)
            return
        left_out: Collection[str] = ()
        if request is not whole:
            left_out = {*client.wire.fields(whole)}.difference(client.wire.fields(request))
        async with AsyncExitStack() as sending:
            if images := images_of(request):
                try:
                    contents = await sending.enter_async_context(self._images.reading(images))
                except ImageMissing as error:
                    yield Failed("internal_error", str(error), retryable=False, may_have_cost=False)
                    return
                except TooManyImages:
                    yield Failed("provider_unavailable", BUSY, retryable=True, may_have_cost=False)
                    return
                request = replace(request, contents=contents)
            events = model_events(client.wire, request, origin, self._config)
            client.calls += 1
            try:
                async for event in events:
                    if images:
                        # The request has been sent: while the model answers, its images need no memory.
                        await sending.aclose()
                        images = []
                    self._refused.observe(request, event, left_out)
                    yield event
            finally:
                client.calls -= 1
                await events.aclose()

    async def _client(self, endpoint: Endpoint) -> Client:
        """Return a client for an endpoint with capacity for one more call. A new key needs a new client."""
        clients = self._wires.setdefault(endpoint, [])
        wire: Wire | None = None
        while (client := next((one for one in clients if one.calls < CALLS_PER_CLIENT), None)) is None:
            if wire is not None:
                clients.append(Client(wire))
                continue
            # Meanwhile, another call may have added one with capacity.
            wire = await asyncio.to_thread(make_wire, endpoint, self._config)
        return client


def make_wire(endpoint: Endpoint, config: GatewayConfig) -> ListingWire:
    """Create the client for an endpoint. Slow (imports, certificates): not for the event loop."""
    return KINDS[endpoint.kind].wire_class()(endpoint, config.http_timeout())
