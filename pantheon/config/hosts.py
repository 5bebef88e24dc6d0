"""Requests for a host that is not allowed: what to set, for the log and for people at this machine."""

from __future__ import annotations

import ipaddress

from django.conf import settings
from django.http import HttpRequest
from django.http.request import split_domain_port

LONGEST_HOST = 253
"""Longest host name in DNS. Requests may name longer ones, which nobody can open."""


def line_to_allow(host: str) -> str:
    """Return the setting that allows a host in addition to those of now."""
    return f"PANTHEON_ALLOWED_HOSTS={','.join([*settings.ALLOWED_HOSTS, host])}"


def unknown_host_message(request: HttpRequest) -> str:
    """Return what to say of a host that is not allowed; the setting only to people at this machine."""
    host, _ = split_domain_port(request._get_raw_host())  # type: ignore[attr-defined]
    if not 0 < len(host) <= LONGEST_HOST:
        return "The server could not understand this request."
    if is_from_this_machine(request):
        return f"The host {host} is not allowed. To allow it, set {line_to_allow(host)} and restart Pantheon."
    return f"The host {host} is not allowed. The server's log names the setting that allows it."


def is_from_this_machine(request: HttpRequest) -> bool:
    """Return whether the client runs on this machine: connected to itself, and not through a proxy."""
    if any(name.startswith("HTTP_X_FORWARDED_") or name == "HTTP_FORWARDED" for name in request.META):
        return False
    client = request.META.get("REMOTE_ADDR", "")
    try:
        # The server's own address: by an address of the network, this machine reaches itself from the same one.
        return ipaddress.ip_address(client).is_loopback or client == request.META.get("SERVER_NAME")
    except ValueError:
        return False
