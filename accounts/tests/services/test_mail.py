"""The one way out for mail: what does not leave is logged, without its text, and raises nothing."""

from __future__ import annotations

from typing import Any

import pytest

from accounts.tests.support.mail_server import mail_server
from web.mail import Mail, mail_send, mails_send

LINK = "https://council.example.org/reset-password/secret"


def mail(number: int = 1, subject: str = "Good day") -> Mail:
    return Mail(about=f"mail {number}", subject=subject, text=LINK, to=[f"p{number}@example.org"])


def test_several_leave_over_one_connection(mails: Any) -> None:
    with mail_server() as server:
        mails.EMAIL_PORT = server.port
        assert list(mails_send([mail(1), mail(2)])) == [True, True]
    assert [to for to, _ in server.messages] == [["p1@example.org"], ["p2@example.org"]]


def test_each_leaves_when_it_is_asked_for(mails: Any) -> None:
    """So that one is marked before the next is sent, and none is sent twice for a process that dies in between."""
    with mail_server() as server:
        mails.EMAIL_PORT = server.port
        sending = mails_send([mail(1), mail(2)])
        assert next(sending)
        assert len(server.messages) == 1
        assert list(sending) == [True]


@pytest.mark.parametrize("subject", ["Good day", "Good\nBcc: eve@example.org"])
def test_one_that_is_refused(mails: Any, subject: str, caplog: pytest.LogCaptureFixture) -> None:
    with mail_server(refuses=subject == "Good day") as server:
        mails.EMAIL_PORT = server.port
        assert not mail_send(mail(subject=subject))
    assert server.messages == []
    assert "mail 1 could not be mailed" in caplog.text
    assert LINK not in caplog.text


def test_one_that_cannot_be_written_keeps_no_other(mails: Any) -> None:
    with mail_server() as server:
        mails.EMAIL_PORT = server.port
        assert list(mails_send([mail(1, subject="a\nb"), mail(2)])) == [False, True]


def test_a_server_that_is_not_there_is_asked_once(mails: Any, caplog: pytest.LogCaptureFixture) -> None:
    with mail_server() as server:
        mails.EMAIL_PORT = server.port
    assert list(mails_send([mail(1), mail(2)])) == []
    assert not mail_send(mail(3))
    # Only this logger: asyncio may log leftovers of earlier tests whenever they are collected.
    levels = [record.levelname for record in caplog.records if record.name == "web.mail"]
    assert levels == ["ERROR", "ERROR"]
    assert LINK not in caplog.text
