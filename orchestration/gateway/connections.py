"""What all clients of model servers share: how many connections they keep, and whose certificates they trust."""

from __future__ import annotations

import ssl
from functools import cache

import httpx2

LIMITS = httpx2.Limits(max_connections=1000, max_keepalive_connections=100, keepalive_expiry=60.0)


@cache
def trusted_certificates() -> ssl.SSLContext:
    """Return the context for TLS, made once: to read the certificates takes 20 ms and a megabyte."""
    return httpx2.create_ssl_context()
