"""Mail from a process that runs turns: on its own thread, because a mail server may be slow."""

from __future__ import annotations

import logging
import threading

from django.conf import settings
from django.db import Error as DbError
from django.db import connections

from billing.services.notices import notices_mail

log = logging.getLogger(__name__)

_mailing = threading.Lock()


def notices_mail_aside() -> None:
    """Start mailing budget notices without waiting. Does nothing while an earlier run is active."""
    if settings.EMAIL_URL and _mailing.acquire(blocking=False):
        threading.Thread(target=_mail, name="pantheon-mail", daemon=True).start()


def _mail() -> None:
    try:
        notices_mail()
    except DbError as error:
        log.error("budget notices could not be read: %s", error)
    except Exception:  # nothing awaits this thread, so nothing else would log it
        log.exception("budget notices could not be mailed")
    finally:
        connections.close_all()
        _mailing.release()
