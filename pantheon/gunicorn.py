"""Configuration of gunicorn: `gunicorn -c python:pantheon.gunicorn pantheon.asgi:application`.

GUNICORN_CMD_ARGS overrides each setting, as in `GUNICORN_CMD_ARGS="--graceful-timeout 30"`.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import tempfile
from collections.abc import Awaitable, Callable, MutableMapping
from functools import partial
from pathlib import Path
from typing import Any

import environ
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from gunicorn.workers import gasgi

from pantheon import lifecycle
from pantheon.config.environment import Environment
from pantheon.config.logs import JSON, TEXT, logging_config
from pantheon.config.startup import refuse
from pantheon.http.connections import BoundedConnection, raise_connection_limit

environ.Env.read_env(
    os.environ.get("PANTHEON_ENV_FILE", str(Path(__file__).resolve().parent.parent / ".env"))
)

host = os.environ.get("HOST") or "127.0.0.1"
port = os.environ.get("PORT") or "8000"

bind = [f"[{host}]:{port}" if ":" in host else f"{host}:{port}"]
worker_class = "asgi"
asgi_loop = "uvloop"
asgi_lifespan = "off"  # Django does not support it; pantheon.lifecycle replaces it
worker_connections = raise_connection_limit()
graceful_timeout = 10
# Longer than proxies keep idle connections (60 s by default), so that we never close one as a request arrives.
keepalive = 75
control_socket_disable = True

try:
    loglevel = Environment().log_level("PANTHEON_LOG_LEVEL", default="INFO")
except ImproperlyConfigured as error:
    refuse(error)

if (os.environ.get("PANTHEON_LOG_FORMAT") or TEXT) == JSON:
    logconfig_dict = logging_config(log_format=JSON, level=loglevel)
    logconfig_dict["loggers"]["gunicorn.error"] = {"handlers": [], "propagate": True, "level": loglevel}

if int(os.environ.get("WEB_CONCURRENCY") or 1) > 1 and "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
    # Workers write their counters to files in here, which /metrics sums. Set before prometheus_client is imported.
    _metrics_dir = tempfile.TemporaryDirectory(prefix="pantheon-metrics-")
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = _metrics_dir.name

STREAMS_END_AFTER_S = 0.3
"""How long event streams have to end by themselves at a stop."""

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]


def when_ready(server: Any) -> None:
    """Stop the server when its terminal window is closed (gunicorn's hook, called in the master).

    Without a terminal, SIGHUP keeps gunicorn's meaning: reload the configuration and replace the workers.
    """
    if sys.stdin.isatty():
        signal.signal(signal.SIGHUP, lambda number, frame: server.signal(signal.SIGTERM, frame))


def post_worker_init(worker: Any) -> None:
    """Install our shutdown and connection class (gunicorn's hook, called in the worker when the app is loaded)."""
    lifecycle.set_worker(worker)
    # gunicorn has no setting for the connection class, so replace the name its worker uses.
    gasgi.ASGIProtocol = partial(BoundedConnection, head_s=settings.PANTHEON_SLOW_REQUEST_S)
    worker.asgi = requests = Requests(worker.asgi)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # the master handles it; by default it would kill the worker
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT):
        worker.loop.add_signal_handler(number, _begin_stop, worker, requests)


def worker_exit(server: Any, worker: Any) -> None:
    """Run the stop callbacks also if the worker exits without a signal (gunicorn's hook)."""
    if worker.pid == os.getpid():  # the master calls this too, for a worker that has died
        lifecycle.stop()


def child_exit(server: Any, worker: Any) -> None:
    """Remove the live gauges of a dead worker from /metrics (gunicorn's hook, called in the master)."""
    if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
        from prometheus_client.multiprocess import mark_process_dead

        mark_process_dead(worker.pid)


def _begin_stop(worker: Any, requests: Requests) -> None:
    # Ctrl-C reaches the worker twice, from the terminal and from the master; the second must not force a quick exit.
    if worker.alive:
        worker.alive = False
        requests.draining = worker.loop.create_task(_drain(worker, requests))


async def _drain(worker: Any, requests: Requests) -> None:
    """Finish requests and callbacks, end event streams, then shut the worker down.

    gunicorn's graceful stop would also wait for idle keep-alive connections, which browsers hold open; its quick
    shutdown does not, and nothing is running by then.
    """
    deadline = worker.loop.time() + worker.cfg.graceful_timeout - 2  # the master kills at graceful_timeout
    worker.loop.call_later(STREAMS_END_AFTER_S, requests.end_streams.set)
    callbacks = worker.loop.run_in_executor(None, lifecycle.stop)
    while (requests.active or not callbacks.done()) and worker.loop.time() < deadline:  # noqa: ASYNC110
        await asyncio.sleep(0.05)
    worker.handle_quit_signal()


class Requests:
    """ASGI wrapper that counts running requests and ends event streams at a stop.

    The application sees a disconnect, so its `finally` blocks run. The client sees a complete response, after which
    an EventSource reconnects.
    """

    def __init__(self, app: Callable[[Message, Receive, Send], Awaitable[None]]) -> None:
        self.app = app
        self.active = 0
        self.end_streams = asyncio.Event()
        self.draining: asyncio.Task[None] | None = None

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        self.active += 1
        try:
            await self._serve(scope, receive, send)
        finally:
            self.active -= 1

    async def _serve(self, scope: Message, receive: Receive, send: Send) -> None:
        is_stream = asyncio.Event()
        is_received = is_complete = False

        async def watched_send(message: Message) -> None:
            nonlocal is_complete
            if message["type"] == "http.response.start":
                if _is_event_stream(message):
                    is_stream.set()
            elif message["type"] == "http.response.body" and not message.get("more_body"):
                is_complete = True
            await send(message)

        async def receive_or_stop() -> Message:
            nonlocal is_received
            if not is_received:  # the body comes first; a response starts only after it
                message = await receive()
                is_received = not message.get("more_body", False)
                return message
            end = asyncio.ensure_future(self._end_of(is_stream))
            more = asyncio.ensure_future(receive())
            try:
                await asyncio.wait((more, end), return_when=asyncio.FIRST_COMPLETED)
                return more.result() if more.done() else {"type": "http.disconnect"}
            finally:
                end.cancel()
                more.cancel()

        await self.app(scope, receive_or_stop, watched_send)
        if is_stream.is_set() and not is_complete and self.end_streams.is_set():
            await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _end_of(self, is_stream: asyncio.Event) -> None:
        await is_stream.wait()
        await self.end_streams.wait()


def _is_event_stream(start: Message) -> bool:
    return any(
        name.lower() == b"content-type" and value.startswith(b"text/event-stream")
        for name, value in start.get("headers", ())
    )
