"""Send mail. Failures are logged here and nowhere else.

There is no general outbox. Links to set a password or accept an invitation are secrets and are not stored, so a mail
with one is sent at once: a retry would have to create a new link, which revokes the one already handed over. Users can
request another. Mails about changes of an account are sent at once too, because they describe its state at that moment;
the audit log keeps the facts.

Mails that can be written later are built from rows when they are sent. `BudgetNotice` is the outbox of its own mails;
periodic work retries them.
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
    """Its name in the log: an id, never a link."""
    subject: str
    text: str
    to: Sequence[str]
    bcc: Sequence[str] = ()


def mail_send(mail: Mail) -> bool:
    """Send a mail; return False and log it on failure. Call it outside a transaction: a mail server may be slow."""
    return list(mails_send([mail])) == [True]


def mails_send(mails: Sequence[Mail]) -> Iterator[bool]:
    """Send mails over one connection, lazily; yield for each whether it was sent.

    Stop early if the server is gone, so that the remaining mails do not wait for it.
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
    """Send a mail; False if the server refuses it. Raises OSError if the server is gone."""
    email = EmailMessage(mail.subject, mail.text, to=mail.to, bcc=mail.bcc, connection=connection)
    try:
        email.send()
    except (SMTPRecipientsRefused, SMTPResponseException, ValueError) as error:
        # ValueError: the subject or an address is not valid in a mail.
        log_failure(mail, error)
        return False
    return True


def log_failure(mail: Mail, error: Exception) -> None:
    log.error("%s could not be mailed: %s", mail.about, error)
