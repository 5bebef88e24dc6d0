"""Shared by clients of model servers: limits, trusted certificates, and the format of model lists."""

from __future__ import annotations

import ssl
from functools import cache

import httpx2

LIMITS = httpx2.Limits(max_connections=1000, max_keepalive_connections=100, keepalive_expiry=60.0)


@cache
def trusted_certificates() -> ssl.SSLContext:
    """Return the TLS context, created once: loading the certificates takes 20 ms and a megabyte."""
    return httpx2.create_ssl_context()


class NoList(Exception):
    """The server answered, but not with a list of models."""


def ids_listed(response: httpx2.Response) -> set[str]:
    """Return the ids in a list of models (OpenAI and Anthropic, "List models": the same shape). Raises NoList."""
    try:
        return {str(row["id"]) for row in response.json()["data"]}
    except (ValueError, TypeError, KeyError) as error:
        raise NoList from error
