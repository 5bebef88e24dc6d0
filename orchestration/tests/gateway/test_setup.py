"""Environments in which no HTTP client can be made, untrusted certificates, and proxies that do not answer."""

from __future__ import annotations

import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestration.engine.ports import Failed
from orchestration.gateway.connections import setup_problem, trusted_certificates, unreachable
from orchestration.gateway.gateway import Gateway
from orchestration.gateway.probe import probe
from orchestration.tests.gateway import QUICK, ask, failed, request, spec

VARIABLES = ("ALL_PROXY", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "SSL_CERT_FILE", "SSL_CERT_DIR")
ENVIRONMENTS = [
    ({"ALL_PROXY": "socks://127.0.0.1:9"}, "ALL_PROXY has no usable proxy address"),
    ({"HTTPS_PROXY": "ftp://127.0.0.1:9"}, "HTTPS_PROXY has no usable proxy address"),
    ({"HTTP_PROXY": "http://host:notaport"}, "HTTP_PROXY has no usable proxy address"),
    ({"SSL_CERT_FILE": "/nonexistent"}, "The file that SSL_CERT_FILE names does not exist."),
    ({"SSL_CERT_FILE": __file__}, "The file that SSL_CERT_FILE names has no readable certificates."),
]


@pytest.fixture(autouse=True)
def _clean(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    trusted_certificates.cache_clear()
    yield
    trusted_certificates.cache_clear()


def set_all(monkeypatch: pytest.MonkeyPatch, environment: dict[str, str]) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)


async def fresh_call(kind: str, url: str) -> Failed:
    gateway = Gateway(QUICK)
    try:
        return failed(await ask(gateway, request(spec(kind, url))))
    finally:
        await gateway.aclose()


@pytest.mark.parametrize("kind", ["openai", "anthropic"])
@pytest.mark.parametrize(("environment", "problem"), ENVIRONMENTS)
async def test_a_call_names_the_variable(
    kind: str, environment: dict[str, str], problem: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_all(monkeypatch, environment)
    end = await fresh_call(kind, "http://127.0.0.1:9")
    assert end.message.startswith(f"The provider test cannot be called. {problem}")
    assert (end.code, end.retryable, end.may_have_cost) == ("provider_error", False, False)
    assert setup_problem().startswith(problem)
    found = await probe(spec(kind, "http://127.0.0.1:9"))
    assert (found.works, found.message) == (False, end.message)


@pytest.mark.parametrize(
    "environment",
    [
        {},
        {"ALL_PROXY": "socks5://127.0.0.1:9"},
        {"HTTP_PROXY": "127.0.0.1:9", "NO_PROXY": "localhost,::1"},
        {"http_proxy": "http://user:secret@127.0.0.1:9"},
    ],
)
def test_usable_environments(environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    set_all(monkeypatch, environment)
    assert setup_problem() == ""


@pytest.mark.parametrize(
    ("environment", "named"),
    [
        ({"HTTP_PROXY": "http://127.0.0.1:9"}, "HTTP_PROXY"),
        ({"http_proxy": "http://127.0.0.1:9"}, "http_proxy"),
        ({"ALL_PROXY": "socks5://127.0.0.1:9"}, "ALL_PROXY"),
        ({"HTTP_PROXY": "http://127.0.0.1:9", "NO_PROXY": "127.0.0.1"}, ""),
    ],
)
async def test_a_proxy_in_between_is_named(
    environment: dict[str, str], named: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_all(monkeypatch, environment)
    end = await fresh_call("openai", "http://127.0.0.1:9/v1")
    through = f" through the proxy in {named}: check it, or add the provider's host to NO_PROXY."
    assert end.message.startswith(f"The provider test cannot be reached{through if named else ': '}")
    assert end.may_have_cost is False
    found = await probe(spec("openai", "http://127.0.0.1:9/v1"))
    assert found.message == end.message


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]"])
async def test_in_a_container_a_local_address_is_explained(
    host: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_all(monkeypatch, {"container": "podman"})
    end = await fresh_call("openai", f"http://{host}:9/v1")
    found = await probe(spec("openai", f"http://{host}:9/v1"))
    assert found.message == end.message
    assert "Use host.docker.internal in the provider's base URL" in end.message


def test_an_address_elsewhere_is_not_taken_for_the_container(monkeypatch: pytest.MonkeyPatch) -> None:
    set_all(monkeypatch, {"container": "podman"})
    sentence = unreachable(spec("openai", "http://model-server.invalid:9/v1"))
    assert sentence == ": check this machine's network, and the provider's base URL."


@pytest.fixture
def certificate(tmp_path: Path) -> tuple[str, str]:
    """A certificate for 127.0.0.1 that nobody trusts, and its key."""
    key, crt = str(tmp_path / "key.pem"), str(tmp_path / "crt.pem")
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", crt]
    subject = ["-days", "2", "-subj", "/CN=test", "-addext", "subjectAltName=IP:127.0.0.1"]
    subprocess.run([*command, *subject], check=True, capture_output=True)
    return crt, key


@pytest.fixture
def tls_port(certificate: tuple[str, str]) -> Iterator[int]:
    """The port of a TLS server that hangs up after the handshake."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            while True:
                try:
                    connection, _ = listening.accept()
                except OSError:
                    return
                try:
                    context.wrap_socket(connection, server_side=True).close()
                except OSError:
                    connection.close()

        threading.Thread(target=serve, daemon=True).start()
        yield listening.getsockname()[1]


async def test_an_untrusted_certificate_names_the_variable(
    tls_port: int, certificate: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    url = f"https://127.0.0.1:{tls_port}/v1"
    end = await fresh_call("openai", url)
    assert end.message == (
        "The certificate of test is not trusted: "
        "set SSL_CERT_FILE to a file with the certificates of its issuer."
    )
    assert (end.code, end.retryable, end.may_have_cost) == ("provider_error", False, False)
    assert (await probe(spec("openai", url))).message == end.message
    monkeypatch.setenv("SSL_CERT_FILE", certificate[0])
    trusted_certificates.cache_clear()
    assert "certificate" not in (await fresh_call("openai", url)).message
    assert (
        "is for another host" in (await fresh_call("openai", url.replace("127.0.0.1", "localhost"))).message
    )


async def test_tls_to_a_server_without_it() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            connection, _ = listening.accept()
            connection.recv(100)
            connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            connection.close()

        threading.Thread(target=serve, daemon=True).start()
        end = await fresh_call("openai", f"https://127.0.0.1:{listening.getsockname()[1]}/v1")
    assert "does not use TLS: check the provider's base URL (http:// instead of https://)" in end.message
    assert end.may_have_cost is False
