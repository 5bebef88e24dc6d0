"""HTTP clients of model servers: certificates, proxies and redirects, and what is wrong with them."""

from __future__ import annotations

import logging
import os
import ssl
from collections.abc import AsyncIterator, Iterator
from functools import cache
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit
from urllib.request import getproxies_environment, proxy_bypass

import httpx2

from orchestration.engine.specs import ModelSpec
from orchestration.gateway.keys import NotConfigured, base_url_of
from orchestration.gateway.refusals import address_of
from orchestration.gateway.sse import clean

logger = logging.getLogger(__name__)

LIMITS = httpx2.Limits(max_connections=1000, max_keepalive_connections=100, keepalive_expiry=60.0)
MAX_REDIRECTS = 3
MAX_SHOWN_CHARS = 200
MAX_ERROR_BYTES = 256 * 1024
MAX_BODY_BYTES = 16 * 1024 * 1024
CONTAINER_VARIABLE = "container"
CONTAINER_FILES = ("/.dockerenv", "/run/.containerenv")
CERTIFICATE_VARIABLES = ("SSL_CERT_FILE", "SSL_CERT_DIR")

EXPIRED = 10
OTHER_HOST = (62, 64)
"""OpenSSL's verify codes (`openssl verify`): the certificate is for another host name or address."""


@cache
def trusted_certificates() -> ssl.SSLContext:
    """Return the TLS context, created once: loading the certificates takes 20 ms and a megabyte."""
    return httpx2.create_ssl_context()


class ProviderClient(httpx2.AsyncClient):
    """An HTTP client that follows a redirect only if it keeps the method and the origin.

    Any other would send the conversation, and some headers, to an address that nobody configured, or turn a POST into
    a GET.
    """

    def __init__(self, timeout: httpx2.Timeout) -> None:
        super().__init__(
            timeout=timeout,
            limits=LIMITS,
            verify=trusted_certificates(),
            follow_redirects=False,
            # Of a compressed answer, one piece from the network can be gigabytes.
            headers={"accept-encoding": "identity"},
        )

    async def send(self, request: httpx2.Request, **options: Any) -> httpx2.Response:
        is_streamed = options.get("stream", False)
        options |= {"follow_redirects": False, "stream": True}
        body = await request.aread()
        request = with_body(request, body)
        response = await super().send(request, **options)
        for _ in range(MAX_REDIRECTS):
            target = target_of(response)
            if (
                response.status_code not in (307, 308)
                or target is None
                or not is_same_origin(target, request.url)
            ):
                break
            await response.aclose()
            again = self.build_request(
                request.method,
                target,
                headers=request.headers,
                content=body,
                extensions=request.extensions,
            )
            request = with_body(again, body)
            response = await super().send(request, **options)
        if response.is_error:
            return await with_short_body(response, MAX_ERROR_BYTES)
        return response if is_streamed else await with_short_body(response, MAX_BODY_BYTES)


class SentOnce(httpx2.AsyncByteStream):
    """A request's body that is forgotten once it is sent.

    The connection keeps the request until the answer ends, which may take minutes; with images it has megabytes.
    """

    def __init__(self, body: bytes) -> None:
        self._body = body

    async def __aiter__(self) -> AsyncIterator[bytes]:
        body, self._body = self._body, b""
        yield body


def with_body(request: httpx2.Request, body: bytes) -> httpx2.Request:
    """Return a request with this body, which it already describes in its headers."""
    return httpx2.Request(
        request.method,
        request.url,
        headers=request.headers,
        stream=SentOnce(body),
        extensions=request.extensions,
    )


async def with_short_body(response: httpx2.Response, limit: int) -> httpx2.Response:
    """Return a response with the first `limit` bytes of its body; those of an error contain the message."""
    body = bytearray()
    try:
        async for part in response.aiter_bytes():
            body += part
            if len(body) >= limit:
                break
    except httpx2.TransportError as error:
        if not response.is_error:
            raise
        logger.warning("the body of an HTTP %s ended early: %s", response.status_code, error)
    finally:
        await response.aclose()
    encoded = ("content-encoding", "content-length", "transfer-encoding")
    return httpx2.Response(
        response.status_code,
        headers=[pair for pair in response.headers.multi_items() if pair[0].lower() not in encoded],
        content=bytes(body[:limit]),
        request=response.request,
        extensions=response.extensions,
    )


def target_of(response: httpx2.Response) -> httpx2.URL | None:
    """Return where a response redirects to, None if it does not say so."""
    try:
        return response.request.url.join(response.headers["location"])
    except (KeyError, ValueError, RuntimeError, httpx2.InvalidURL):
        return None


def is_same_origin(one: httpx2.URL, other: httpx2.URL) -> bool:
    return (one.scheme, one.host, one.port) == (other.scheme, other.host, other.port)


def redirected(response: httpx2.Response, model: ModelSpec) -> str:
    """Return the sentence for a redirect that was not followed."""
    target, where = target_of(response), "elsewhere"
    if target is not None:
        origin = f"{target.scheme}://{target.netloc.decode('ascii', 'replace')}"
        is_ours = is_same_origin(target, response.request.url)
        where = target.path if is_ours else f"elsewhere, to {origin}{target.path}"
    shown = clean(where)[:MAX_SHOWN_CHARS]
    return (
        f"The provider {model.provider} redirects {'to ' if shown.startswith('/') else ''}{shown} "
        f"(HTTP {response.status_code}): set {address_of(model)}."
    )


def trouble_of(error: BaseException, model: ModelSpec) -> str | None:
    """Return the sentence for a TLS error that a retry cannot fix; None for any other error."""
    found = next((each for each in chain_of(error) if isinstance(each, ssl.SSLError)), None)
    if isinstance(found, ssl.SSLCertVerificationError):
        if found.verify_code in OTHER_HOST:
            return f"The certificate of {model.provider} is for another host: check {address_of(model)}."
        if found.verify_code == EXPIRED:
            return f"The certificate of {model.provider} has expired."
        return (
            f"The certificate of {model.provider} is not trusted: "
            "set SSL_CERT_FILE to a file with the certificates of its issuer."
        )
    if found is not None and found.reason == "WRONG_VERSION_NUMBER":
        return f"The provider {model.provider} does not use TLS: check {address_of(model)} (http:// instead of https://)."
    return None


def chain_of(error: BaseException | None) -> Iterator[BaseException]:
    """Yield an error and its causes."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__


def proxy_variable(model: ModelSpec) -> str:
    """Return the variable with the proxy between us and a model's server; empty if there is none."""
    try:
        parts = urlsplit(base_url_of(model))
    except NotConfigured:
        return ""
    if proxy_bypass(parts.hostname or ""):
        return ""
    names = [
        name for scheme in (parts.scheme, "all") for name in (f"{scheme}_proxy", f"{scheme}_proxy".upper())
    ]
    return next((name for name in names if os.environ.get(name)), "")


def unreachable(model: ModelSpec) -> str:
    """Return what follows "cannot be reached" in the sentence about a model's server: the way, and what to check."""
    if variable := proxy_variable(model):
        return f" through the proxy in {variable}: check it, or add the provider's host to NO_PROXY."
    try:
        host = urlsplit(base_url_of(model)).hostname or ""
    except NotConfigured:
        host = ""
    if is_in_container() and is_loopback(host):
        return (
            f": in a container, {host} is the container itself. "
            f"Use host.docker.internal in {address_of(model)} for a server on the host."
        )
    where = "that its server is running" if is_loopback(host) else "this machine's network"
    return f": check {where}, and {address_of(model)}."


def is_loopback(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def is_in_container() -> bool:
    """Return whether this process runs in a container: Docker and Podman leave a file, others set a variable."""
    return bool(os.environ.get(CONTAINER_VARIABLE)) or any(map(os.path.exists, CONTAINER_FILES))


def setup_problem() -> str:
    """Return why no client can be created in this environment, and the variable to change; empty if one can."""
    try:
        certificates = trusted_certificates()
    except (OSError, ValueError) as error:
        name = next((name for name in CERTIFICATE_VARIABLES if os.environ.get(name)), "SSL_CERT_FILE")
        what = "does not exist" if isinstance(error, FileNotFoundError) else "has no readable certificates"
        return f"The file that {name} names {what}."
    for scheme, url in getproxies_environment().items():
        if scheme not in ("http", "https", "all"):
            continue
        name = next(name for name in (f"{scheme}_proxy", f"{scheme}_proxy".upper()) if os.environ.get(name))
        try:
            proxy = httpx2.Proxy(url if "://" in url else f"http://{url}")
            httpx2.AsyncHTTPTransport(verify=certificates, proxy=proxy)
        except ImportError:
            return f"{name} names a SOCKS proxy, for which the package socksio is missing."
        except (ValueError, httpx2.InvalidURL):
            return f"{name} has no usable proxy address: use http://, https://, socks5:// or socks5h://."
    return ""
