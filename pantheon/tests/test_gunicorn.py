"""Stop the real server while requests are open: what clients receive, and how fast it exits."""

import http.client
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
STOP_TIMEOUT_S = 20
APP = """
import asyncio
import django
from django.conf import settings

settings.configure(
    ROOT_URLCONF=__name__, ALLOWED_HOSTS=["*"], SECRET_KEY="x", PANTHEON_SLOW_REQUEST_S=20
)
django.setup()

from django.core.asgi import get_asgi_application
from django.http import HttpResponse, StreamingHttpResponse
from django.urls import path
from pantheon import lifecycle


async def events():
    try:
        while True:
            yield "data: tick\\n\\n"
            await asyncio.sleep(30)
    finally:
        print("the generator is closed", flush=True)


async def stream(request):
    return StreamingHttpResponse(events(), content_type="text/event-stream")


async def slow(request):
    print("the request is under way", flush=True)
    while not lifecycle.is_stopping():
        await asyncio.sleep(0.01)
    await asyncio.sleep(1)
    return HttpResponse("an answer")


urlpatterns = [path("stream", stream), path("slow", slow)]
lifecycle.on_stop(lambda: print("the callback is called", flush=True))
application = get_asgi_application()
"""


class Server:
    def __init__(self, directory: Path) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        (directory / "an_app.py").write_text(APP)
        self.log = directory / "log"
        self.process = subprocess.Popen(
            [sys.executable, "-m", "gunicorn", "-c", "python:pantheon.gunicorn", "an_app:application"],
            env={
                **os.environ,
                "PYTHONPATH": f"{ROOT}:{directory}",
                "PORT": str(self.port),
                # Longer than the tests wait, so that a request that ends only by this timeout fails them.
                "GUNICORN_CMD_ARGS": f"--graceful-timeout {3 * STOP_TIMEOUT_S}",
            },
            cwd=directory,
            stdout=self.log.open("wb"),
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    def connection(self) -> http.client.HTTPConnection:
        deadline = time.monotonic() + 20
        while True:
            try:
                connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
                connection.connect()
                return connection
            except OSError:
                assert time.monotonic() < deadline, self.log.read_text()
                time.sleep(0.05)

    def get(self, path: str) -> http.client.HTTPResponse:
        connection = self.connection()
        connection.request("GET", path)
        return connection.getresponse()


@pytest.fixture
def server(tmp_path):
    server = Server(tmp_path)
    yield server
    if server.process.poll() is None:
        server.process.kill()
        server.process.wait()


@pytest.mark.parametrize("stop", ["Ctrl-C", "SIGINT", "SIGTERM"])
def test_a_stop_ends_open_streams_cleanly_and_soon(server, stop):
    stream = server.get("/stream")
    assert stream.readline() == b"data: tick\n"
    idle = server.connection()  # as browsers hold them open

    if stop == "Ctrl-C":  # a terminal sends it to the whole group
        os.killpg(server.process.pid, signal.SIGINT)
    else:
        server.process.send_signal(signal.Signals[stop])
    rest = stream.read()  # http.client raises IncompleteRead if the response is incomplete
    code = server.process.wait(STOP_TIMEOUT_S)
    idle.close()

    log = server.log.read_text()
    assert rest == b"\n"
    assert code == 0, log
    assert "the generator is closed" in log
    assert "the callback is called" in log
    assert "ERROR" not in log


def test_a_request_that_is_under_way_gets_its_answer(server):
    answers = []
    waiting = threading.Thread(target=lambda: answers.append(server.get("/slow").read()))
    server.connection().close()
    waiting.start()
    deadline = time.monotonic() + 20
    while "the request is under way" not in server.log.read_text():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    server.process.send_signal(signal.SIGTERM)
    waiting.join(20)
    assert answers == [b"an answer"]
    assert server.process.wait(STOP_TIMEOUT_S) == 0


def test_host_and_port_come_from_the_env_file_too(tmp_path):
    (tmp_path / "env").write_text("HOST=::1\nPORT=8123\n")
    shown = subprocess.run(
        [sys.executable, "-c", "from pantheon import gunicorn; print(gunicorn.bind)"],
        env={**os.environ, "PANTHEON_ENV_FILE": str(tmp_path / "env")},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert shown.stdout == "['[::1]:8123']\n"
