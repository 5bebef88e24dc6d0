"""The one way out for mail. What is refused, and a server that is not there, are logged here and nowhere else.

There is no table of mails that wait. A link that sets a password or accepts an invitation is a secret and stored
nowhere, so its mail is written and sent at once: whatever tried again later would have to make a new link, and a new
link of an invitation ends the one that was already handed over. Whoever waits in vain asks once more. Word of what was
changed of an account goes at once too: it tells how the account was at that moment, and the audit log keeps the fact.

What can be told later is made of rows at the moment of sending, and they say whether it was sent: `BudgetNotice` is the
outbox of its own mails, and periodic work tries again what did not leave.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from smtplib import SMTPRecipientsRefused, SMTPResponseException
from typing import Any

from django.core.mail import EmailMessage, get_connection

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Mail:
    about: str
    """What the log calls it: an id, and never a link."""
    subject: str
    text: str
    to: Sequence[str]
    bcc: Sequence[str] = ()


def mail_send(mail: Mail) -> bool:
    """Send a mail; False where it did not leave, which is logged. Outside a transaction: a server may take its time."""
    return list(mails_send([mail])) == [True]


def mails_send(mails: Sequence[Mail]) -> Iterator[bool]:
    """Send mails over one connection, each when the next answer is asked for; yield of each whether it left.

    End early where the server is not there any more: the others would wait for it in vain.
    """
    if not mails:
        return
    connection: Any = get_connection()
    mail = mails[0]
    try:
        connection.open()
        for mail in mails:
            yield is_sent(mail, connection)
    except OSError as error:  # of which smtplib's errors are
        log_failure(mail, error)
    finally:
        connection.close()


def is_sent(mail: Mail, connection: Any) -> bool:
    """Send a mail; False where this one is refused. Raises OSError where the server is not there any more."""
    email = EmailMessage(mail.subject, mail.text, to=mail.to, bcc=mail.bcc, connection=connection)
    try:
        email.send()
    except (SMTPRecipientsRefused, SMTPResponseException, ValueError) as error:
        # ValueError: a subject or an address that no mail can carry.
        log_failure(mail, error)
        return False
    return True


def log_failure(mail: Mail, error: Exception) -> None:
    log.error("%s could not be mailed: %s", mail.about, error)
