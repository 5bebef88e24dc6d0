"""Where a request comes from, as far as that can be known, and where this instance is."""

from __future__ import annotations

import ipaddress

from django.conf import settings
from django.http import HttpRequest


def client_address(request: HttpRequest) -> str:
    """Return the client's address as limits count it: an IPv6 network of 64 bits is one caller.

    Of `X-Forwarded-For` only what our own proxies wrote is believed: with PANTHEON_PROXIES = n the n-th from the
    right, for everything further left is what the client claims.
    """
    address: str = request.META.get("REMOTE_ADDR", "")
    claimed = request.headers.get("X-Forwarded-For", "").split(",")
    forwarded = [part.strip() for part in claimed if part.strip()]
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
    """Tell whether mails leave: there is a server for them, and an address of ours for the links in them."""
    return bool(settings.EMAIL_URL and settings.PANTHEON_URL)


def mailed_url(path: str) -> str:
    """Return a link for a mail. Never from a request, whose `Host` is whatever its sender wrote."""
    assert settings.PANTHEON_URL
    return f"{settings.PANTHEON_URL}{path}"


def instance_url(request: HttpRequest) -> str:
    """Return what links begin with that are shown to whoever asks: PANTHEON_URL, or what the request was sent to."""
    return settings.PANTHEON_URL or request.build_absolute_uri("/").rstrip("/")
