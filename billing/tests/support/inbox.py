"""A real SMTP server for tests: import `port`, `configured` and `inbox`."""

from __future__ import annotations

import asyncio
import socket
import threading
from email import message_from_bytes, policy

import pytest
from aiosmtpd.controller import Controller


class Inbox:
    """An SMTP server's handler: keeps what it is given, refuses some recipients."""

    def __init__(self):
        self.mails = []
        self.refused = set()
        self.broken = False
        self.asked = 0
        self.gate = threading.Event()
        """Closed, it lets the client wait for an answer to its mail."""
        self.gate.set()

    async def handle_RCPT(self, server, session, envelope, address, options):
        if address in self.refused:
            return "550 no such mailbox"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        self.asked += 1
        await asyncio.to_thread(self.gate.wait)
        if self.broken:
            return "451 come back later"
        self.mails.append(
            (sorted(envelope.rcpt_tos), message_from_bytes(envelope.content, policy=policy.default))
        )
        return "250 OK"

    @property
    def recipients(self):
        return [to for to, _ in self.mails]

    def last(self):
        return self.mails[-1][1]


@pytest.fixture
def port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture
def configured(settings, port):
    settings.EMAIL_URL = f"smtp://127.0.0.1:{port}"
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", port
    settings.DEFAULT_FROM_EMAIL = "council@example.org"
    settings.PANTHEON_URL = "https://council.example.org"


@pytest.fixture
def inbox(configured, port):
    handler = Inbox()
    controller = Controller(handler, hostname="127.0.0.1", port=port)
    controller.start()
    yield handler
    controller.stop()
