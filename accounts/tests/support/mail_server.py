"""A mail server on loopback that records mails, or refuses all."""

from __future__ import annotations

import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager


class MailServer(socketserver.ThreadingTCPServer):
    """Handle the SMTP commands that smtplib uses. `messages`: (recipients, text), in order of arrival."""

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, *, refuses: bool = False) -> None:
        super().__init__(("127.0.0.1", 0), Conversation)
        self.refuses = refuses
        self.messages: list[tuple[list[str], str]] = []

    @property
    def port(self) -> int:
        return self.server_address[1]


class Conversation(socketserver.StreamRequestHandler):
    server: MailServer

    def handle(self) -> None:
        recipients: list[str] = []
        self.say("220 test")
        while line := self.rfile.readline().decode().strip():
            match line.split(" ", 1)[0].upper():
                case "QUIT":
                    return self.say("221 bye")
                case "RCPT" if self.server.refuses:
                    self.say("550 no such mailbox")
                case "RCPT":
                    recipients.append(line.partition("<")[2].partition(">")[0])
                    self.say("250 ok")
                case "DATA":
                    self.say("354 go on")
                    self.server.messages.append((recipients, self.text()))
                    recipients = []
                    self.say("250 ok")
                case _:
                    self.say("250 ok")
        return None

    def say(self, reply: str) -> None:
        self.wfile.write(f"{reply}\r\n".encode())

    def text(self) -> str:
        lines = iter(lambda: self.rfile.readline().decode().rstrip("\r\n"), ".")
        return "\n".join(lines)


@contextmanager
def mail_server(*, refuses: bool = False) -> Iterator[MailServer]:
    with MailServer(refuses=refuses) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
