"""Mail budget notices after the commit that recorded them. The `BudgetNotice` rows are the outbox.

One process claims a notice for a while, mails it outside any transaction, and marks it. A failed mail, which `web.mail`
logs, is retried when the claim ends, until the notice's period is over.
"""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Mapping, Sequence

from django.conf import settings
from django.db.models import Q
from django.utils import timezone

from accounts.models import User
from billing.days import utc_today
from billing.models import ZERO_UUID, Budget, BudgetNotice, BudgetPeriod
from billing.selectors.budgets import in_current_period, not_overridden, notice_names
from billing.texts.budget_text import notice_mail
from web.mail import Mail, mails_send

BATCH = 10
"""Notices per claim: few enough to be mailed before the claim ends, even by a slow server."""
RETRY_AFTER = dt.timedelta(minutes=5)
"""How long a claim lasts; failed mails are retried after it."""

PERMISSION = "view_usageevent"


def notices_mail() -> int:
    """Mail due notices and return the number of mails sent; 0 if no mail server is configured.

    Outside a transaction, since it talks to the mail server. Safe in any number of processes at once.
    """
    if not settings.EMAIL_URL:
        return 0
    groups = claim_due()
    if not groups:
        return 0
    mails = mails_of(groups)
    sent = 0
    # Fewer results than mails: the server is gone, and the others are retried with the one that failed.
    for (group, _), is_sent in zip(mails, mails_send([mail for _, mail in mails]), strict=False):
        if is_sent:
            mark_mailed([notice.pk for notice in group])
            sent += 1
    return sent


def claim_due() -> list[list[BudgetNotice]]:
    """Claim due notices and return them grouped by period; mark the obsolete ones as mailed."""
    now = timezone.now()
    due = BudgetNotice.objects.filter(mailed_at=None, mail_after__lte=now).order_by("mail_after", "pk")
    claimed_ids = [
        pk
        for pk in due.values_list("pk", flat=True)[:BATCH]
        # The conditional update is the claim: of several processes, one changes the row.
        if due.order_by().filter(pk=pk).update(mail_after=now + RETRY_AFTER)
    ]
    if not claimed_ids:
        return []
    groups: dict[int, list[BudgetNotice]] = {}
    for notice in still_due(claimed_ids):
        groups.setdefault(notice.period_id, []).append(notice)
    mailed_ids = {notice.pk for group in groups.values() for notice in group}
    mark_mailed([pk for pk in claimed_ids if pk not in mailed_ids])
    return list(groups.values())


def still_due(ids: Sequence[int]) -> list[BudgetNotice]:
    """Return the notices whose period is current and still binds its member."""
    periods = BudgetPeriod.objects.filter(in_current_period(utc_today()), not_overridden())
    notices = BudgetNotice.objects.filter(pk__in=ids, period__in=periods.values("pk"))
    return list(notices.select_related("period__budget").order_by("threshold", "pk"))


def mails_of(groups: Sequence[Sequence[BudgetNotice]]) -> list[tuple[Sequence[BudgetNotice], Mail]]:
    """Return these groups with their mails; mark those without a recipient and leave them out."""
    staff = staff_addresses()
    names = notice_names([notice for group in groups for notice in group])
    people = recipients(groups)
    mails: list[tuple[Sequence[BudgetNotice], Mail]] = []
    for group in groups:
        if mail := group_mail(group[-1], people, staff, names):
            mails.append((group, mail))
        else:
            mark_mailed([notice.pk for notice in group])
    return mails


def group_mail(
    notice: BudgetNotice,
    people: Mapping[uuid.UUID, str],
    staff: Sequence[str],
    names: Mapping[uuid.UUID, str],
) -> Mail | None:
    """Return the mail of a period's highest threshold, which covers the lower ones; None if it has no recipient."""
    person = people.get(person_of(notice) or ZERO_UUID)
    others = [address for address in staff if address != person]
    if person is None and not others:
        return None
    subject, text = notice_mail(notice, names)
    return Mail(
        about=f"budget notice {notice.pk}",
        subject=subject,
        text=text,
        to=[person] if person else others,
        bcc=others if person else [],
    )


def mark_mailed(ids: Sequence[int]) -> None:
    BudgetNotice.objects.filter(pk__in=ids).update(mailed_at=timezone.now())


def person_of(notice: BudgetNotice) -> uuid.UUID | None:
    """Return the person whose spending a notice is about, None for a shared budget."""
    budget = notice.period.budget
    if budget.scope == Budget.Scope.USER:
        return budget.target_id
    return notice.period.member_id if budget.applies == Budget.Applies.EACH else None


def recipients(groups: Sequence[Sequence[BudgetNotice]]) -> dict[uuid.UUID, str]:
    """Return id -> email address of the active persons whose spending the notices are about."""
    ids = {person for group in groups if (person := person_of(group[-1])) is not None}
    return dict(User.objects.filter(pk__in=ids, is_active=True).values_list("pk", "email"))


def staff_addresses() -> list[str]:
    """Return the addresses of active staff who may see the ledger."""
    permission = {"content_type__app_label": "billing", "codename": PERMISSION}
    by_user = {f"user_permissions__{name}": value for name, value in permission.items()}
    by_group = {f"groups__permissions__{name}": value for name, value in permission.items()}
    staff = User.objects.filter(is_active=True, is_staff=True)
    readers = staff.filter(Q(is_superuser=True) | Q(**by_user) | Q(**by_group))
    return list(readers.order_by("email").values_list("email", flat=True).distinct())
