"""A process that runs turns also mails notices of passed thresholds."""

from __future__ import annotations

import threading

import pytest

from billing.models import BudgetNotice
from billing.tests.support.budgets import make_budget, spend
from billing.tests.support.inbox import configured, inbox, port
from sessions.live.mailing import notices_mail_aside
from sessions.tests.factories import bearer
from sessions.tests.support.server_process import ServerProcess, until

__all__ = ["configured", "inbox", "port"]

pytestmark = pytest.mark.django_db(transaction=True)


def mailers():
    return [thread for thread in threading.enumerate() if thread.name == "pantheon-mail"]


def all_mailed():
    return not BudgetNotice.objects.filter(mailed_at=None).exists()


def test_the_server_mails_on_its_own(alice, inbox, port, tmp_path):
    spend(make_budget("user", alice), 900)
    mail = {
        "EMAIL_URL": f"smtp://127.0.0.1:{port}",
        "PANTHEON_MAIL_FROM": "council@example.org",
        "PANTHEON_URL": "http://localhost",
    }
    with ServerProcess(tmp_path, bearer(alice), **mail):
        until(all_mailed)
        spend(make_budget("user", alice, period="day"), 600)
        until(all_mailed)
    assert inbox.recipients == [["alice@example.com"], ["alice@example.com"]]
    assert inbox.last()["From"] == "council@example.org"


def test_a_slow_mail_server_blocks_nothing_and_has_one_client_at_a_time(alice, inbox):
    inbox.gate.clear()
    spend(make_budget("user", alice), 900)
    notices_mail_aside()
    until(lambda: inbox.asked)
    spend(make_budget("user", alice, period="day"), 600)
    notices_mail_aside()
    assert len(mailers()) == 1
    inbox.gate.set()
    until(lambda: not mailers())
    assert len(inbox.mails) == 1
    notices_mail_aside()
    until(all_mailed)
    until(lambda: not mailers())
    assert len(inbox.mails) == 2


def test_without_a_mail_server_nothing_is_started(alice):
    spend(make_budget("user", alice), 900)
    notices_mail_aside()
    assert mailers() == []
