"""Notices are mailed to a real SMTP server once each, and retried if that fails."""

from __future__ import annotations

import datetime as dt

import pytest
from django.contrib.auth.models import Group, Permission
from django.utils import timezone

from accounts.models import Team
from accounts.tests.support.clients import make_user
from billing.models import BudgetNotice, BudgetPeriod
from billing.services.notices import RETRY_AFTER, notices_mail
from billing.tests.support.budgets import USD, make_budget, spend
from billing.tests.support.inbox import configured, inbox, port

__all__ = ["configured", "inbox", "port"]

pytestmark = pytest.mark.django_db


@pytest.fixture
def alice():
    return make_user("alice", team=Team.objects.create(name="Legal"))


@pytest.fixture
def root():
    return make_user("root", is_staff=True, is_superuser=True)


def waiting():
    return BudgetNotice.objects.filter(mailed_at=None).count()


def later():
    """As if the time of the last attempt were over."""
    BudgetNotice.objects.update(mail_after=timezone.now() - dt.timedelta(seconds=1))


def test_without_a_mail_server_there_is_no_mail(alice, mailoutbox, django_assert_num_queries):
    spend(make_budget("user", alice), 1000)
    with django_assert_num_queries(0):
        assert notices_mail() == 0
    assert mailoutbox == []
    assert waiting() == 3


def test_to_the_person_concerned(inbox, alice):
    spend(make_budget("user", alice, usd=10), 525)
    assert notices_mail() == 1
    assert inbox.recipients == [["alice@example.com"]]
    mail = inbox.last()
    assert mail["From"] == "council@example.org"
    assert mail["To"] == "alice@example.com"
    assert "50% reached" in mail["Subject"]
    text = mail.get_content()
    assert "$5.25 of $10.00" in text
    assert "requests that could exceed it are blocked" in text
    assert "https://council.example.org/usage" in text


def test_a_soft_budget_refuses_nothing(inbox, alice):
    spend(make_budget("user", alice, hard=False), 1000)
    notices_mail()
    assert "nothing is blocked" in inbox.last().get_content()


def test_each_member_gets_their_own_notice(inbox, alice):
    budget, bob = make_budget(applies="each", usd=1), make_user("bob")
    spend(budget, 60, by=alice)
    spend(budget, 90, by=bob)
    assert notices_mail() == 2
    assert inbox.recipients == [["alice@example.com"], ["bob@example.com"]]


@pytest.mark.parametrize("scope", ["everyone", "team"])
def test_staff_who_may_see_the_ledger_get_notices_of_shared_budgets(inbox, alice, root, scope):
    permission = Permission.objects.get(codename="view_usageevent")
    by_permission, by_group = make_user("carol", is_staff=True), make_user("dora", is_staff=True)
    by_permission.user_permissions.add(permission)
    group = Group.objects.create(name="Finance")
    group.permissions.add(permission)
    by_group.groups.add(group)
    make_user("no-permission", is_staff=True)
    make_user("no-staff").user_permissions.add(permission)
    make_user("gone", is_staff=True, is_superuser=True, is_active=False)
    spend(make_budget(scope, alice.team if scope == "team" else None), 1000)
    assert notices_mail() == 1
    assert inbox.recipients == [["carol@example.com", "dora@example.com", "root@example.com"]]


def test_staff_get_notices_of_a_person_as_bcc(inbox, alice, root):
    spend(make_budget("user", alice), 1000)
    notices_mail()
    assert inbox.recipients == [["alice@example.com", "root@example.com"]]
    assert "root" not in inbox.last().as_string()


def test_thresholds_passed_at_once_are_one_notice_about_the_highest(inbox, alice):
    budget = make_budget("user", alice, usd=10)
    spend(budget, 850)
    assert notices_mail() == 1
    assert "80% reached" in inbox.last()["Subject"]
    assert waiting() == 0
    assert notices_mail() == 0
    spend(budget, 150)
    later()
    assert notices_mail() == 1
    assert "100% reached" in inbox.last()["Subject"]
    assert len(inbox.mails) == 2


def test_what_another_process_is_mailing_is_left_to_it(inbox, alice):
    spend(make_budget("user", alice), 1000)
    BudgetNotice.objects.update(mail_after=timezone.now() + RETRY_AFTER)
    assert notices_mail() == 0
    assert waiting() == 3


def test_a_server_that_is_not_there_is_tried_again(configured, alice, caplog):
    spend(make_budget("user", alice), 1000)
    assert notices_mail() == 0
    assert "could not be mailed" in caplog.text
    assert waiting() == 3


def test_what_failed_is_not_tried_at_once_and_then_again(inbox, alice, caplog):
    inbox.broken = True
    spend(make_budget("user", alice), 1000)
    assert notices_mail() == 0
    assert "could not be mailed" in caplog.text
    inbox.broken = False
    assert notices_mail() == 0
    later()
    assert notices_mail() == 1
    assert waiting() == 0


def test_one_that_is_refused_keeps_no_other_from_being_mailed(inbox, alice):
    inbox.refused = {"alice@example.com"}
    budget = make_budget(applies="each", usd=1)
    spend(budget, 60, by=alice)
    spend(budget, 60, by=make_user("bob"))
    assert notices_mail() == 1
    assert inbox.recipients == [["bob@example.com"]]
    assert waiting() == 1


def test_a_budget_overridden_by_the_users_own_is_not_mailed(inbox, alice):
    spend(make_budget(applies="each", usd=1), 60, by=alice)
    make_budget("user", alice, usd=100)
    assert notices_mail() == 0
    assert inbox.mails == []
    assert waiting() == 0


def test_a_period_that_is_over_is_not_mailed(inbox, alice):
    budget = make_budget("user", alice)
    yesterday = budget.start_of(timezone.now().date()) - dt.timedelta(days=1)
    period = BudgetPeriod.objects.create(budget=budget, start=budget.start_of(yesterday), spent_pico=9 * USD)
    BudgetNotice.objects.create(period=period, threshold=80)
    assert notices_mail() == 0
    assert inbox.mails == []
    assert waiting() == 0


def test_a_notice_without_recipients_is_checked_once(inbox, alice):
    alice.is_active = False
    alice.save()
    spend(make_budget("user", alice), 1000)
    assert notices_mail() == 0
    assert inbox.mails == []
    assert waiting() == 0


def test_a_name_with_a_line_break_is_no_header(inbox, root):
    team = Team.objects.create(name="Legal\nBcc: eve@example.org")
    spend(make_budget("team", team), 1000)
    assert notices_mail() == 1
    assert inbox.recipients == [["root@example.com"]]
    assert inbox.last()["Bcc"] is None


def test_many_turns_need_as_many_statements_as_one_apart_from_claims_and_marks(
    inbox, alice, root, django_assert_num_queries
):
    budget = make_budget(applies="each", usd=1, thresholds=[50])
    spend(budget, 60, by=alice)
    # Due notices, those still current, names, recipients, staff; two for each mail.
    with django_assert_num_queries(5 + 2):
        notices_mail()
    for number in range(5):
        spend(budget, 60, by=make_user(f"p{number}"))
    with django_assert_num_queries(5 + 5 * 2):
        assert notices_mail() == 5
