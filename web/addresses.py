"""The client's address and the server's own URL."""

from __future__ import annotations

import ipaddress

from django.conf import settings
from django.http import HttpRequest


def client_address(request: HttpRequest) -> str:
    """Return the address that rate limits count by."""
    return address_of(request.META.get("REMOTE_ADDR", ""), request.headers.get("X-Forwarded-For", ""))


def address_of(address: str, forwarded_for: str) -> str:
    """Return the client's address, given the connection's. An IPv6 /64 network counts as one client.

    With PANTHEON_PROXIES = n the address is the n-th from the right in `X-Forwarded-For`: our own proxies wrote that
    part, the client can forge everything to its left.
    """
    forwarded = [part.strip() for part in forwarded_for.split(",") if part.strip()]
    proxies = settings.PANTHEON_PROXIES
    if proxies and len(forwarded) >= proxies:
        address = forwarded[-proxies]
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return address
    if isinstance(ip, ipaddress.IPv6Address):
        if ip.ipv4_mapped is not None:
            return str(ip.ipv4_mapped)
        return str(ipaddress.IPv6Network((int(ip), 64), strict=False))
    return str(ip)


def sends_mail() -> bool:
    """Return whether this server can send email: it needs a mail server, and PANTHEON_URL for the links."""
    return bool(settings.EMAIL_URL and settings.PANTHEON_URL)


def mailed_url(path: str) -> str:
    """Return the absolute URL of a path, for an email. Not built from the request: clients choose its `Host`."""
    assert settings.PANTHEON_URL
    return f"{settings.PANTHEON_URL}{path}"


def instance_url(request: HttpRequest) -> str:
    """Return the base URL for links on a page: PANTHEON_URL, or the host that the request was sent to."""
    return settings.PANTHEON_URL or request.build_absolute_uri("/").rstrip("/")
