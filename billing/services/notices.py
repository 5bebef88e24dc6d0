"""Passed thresholds are mailed, after the commit that wrote them down: the notices themselves are the outbox.

A notice is claimed for a while by one process, mailed outside any transaction, and marked. Where mailing fails, which
`web.mail` logs, it is tried again when the claim is over, as long as its period lasts.
"""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Mapping, Sequence

from django.conf import settings
from django.db.models import Q
from django.utils import timezone

from accounts.models import User
from billing.budget_text import notice_mail
from billing.days import utc_today
from billing.models import ZERO_UUID, Budget, BudgetNotice, BudgetPeriod
from billing.selectors.budgets import in_current_period, not_overridden, notice_names
from web.mail import Mail, mails_send

AT_ONCE = 10
"""So few that a claim outlasts them, even where the server is slow; the next ones follow in seconds."""
AGAIN_AFTER = dt.timedelta(minutes=5)
"""How long a claim lasts, and so when what failed is tried again."""

PERMISSION = "view_usageevent"


def notices_mail() -> int:
    """Mail the thresholds that were passed; return how many mails were sent. Nothing where no mail is configured.

    Outside a transaction: it talks to the mail server. Any number of processes may do it at once.
    """
    if not settings.EMAIL_URL:
        return 0
    groups = claimed()
    if not groups:
        return 0
    told = mails_of(groups)
    sent = 0
    # Fewer answers than mails: the server is gone, and the others are tried again with the one that failed.
    for (group, _), is_sent in zip(told, mails_send([mail for _, mail in told]), strict=False):
        if is_sent:
            mark_mailed([notice.pk for notice in group])
            sent += 1
    return sent


def claimed() -> list[list[BudgetNotice]]:
    """Take due notices for ourselves; return those of each period together. What binds nobody any more is left out."""
    now = timezone.now()
    due = BudgetNotice.objects.filter(mailed_at=None, mail_after__lte=now).order_by("mail_after", "pk")
    mine = [
        pk
        for pk in due.values_list("pk", flat=True)[:AT_ONCE]
        # Of several processes one changes the row.
        if due.order_by().filter(pk=pk).update(mail_after=now + AGAIN_AFTER)
    ]
    if not mine:
        return []
    groups: dict[int, list[BudgetNotice]] = {}
    for notice in telling(mine):
        groups.setdefault(notice.period_id, []).append(notice)
    told = {notice.pk for group in groups.values() for notice in group}
    mark_mailed([pk for pk in mine if pk not in told])
    return list(groups.values())


def telling(ids: Sequence[int]) -> list[BudgetNotice]:
    """Return those of these notices that still say something: of a current period that binds its member."""
    periods = BudgetPeriod.objects.filter(in_current_period(utc_today()), not_overridden())
    notices = BudgetNotice.objects.filter(pk__in=ids, period__in=periods.values("pk"))
    return list(notices.select_related("period__budget").order_by("threshold", "pk"))


def mails_of(groups: Sequence[Sequence[BudgetNotice]]) -> list[tuple[Sequence[BudgetNotice], Mail]]:
    """Return these groups with their mails. Those that tell nobody anything are left out, and marked."""
    staff = staff_addresses()
    names = notice_names([notice for group in groups for notice in group])
    people = people_told(groups)
    told = []
    for group in groups:
        if mail := group_mail(group[-1], people, staff, names):
            told.append((group, mail))
        else:
            mark_mailed([notice.pk for notice in group])
    return told


def group_mail(
    notice: BudgetNotice,
    people: Mapping[uuid.UUID, str],
    staff: Sequence[str],
    names: Mapping[uuid.UUID, str],
) -> Mail | None:
    """Return the mail of the highest threshold of a period, with which the lower ones are told; None: to nobody."""
    concerned = people.get(person_of(notice) or ZERO_UUID)
    others = [address for address in staff if address != concerned]
    if concerned is None and not others:
        return None
    subject, text = notice_mail(notice, names)
    return Mail(
        about=f"budget notice {notice.pk}",
        subject=subject,
        text=text,
        to=[concerned] if concerned else others,
        bcc=others if concerned else [],
    )


def mark_mailed(ids: Sequence[int]) -> None:
    BudgetNotice.objects.filter(pk__in=ids).update(mailed_at=timezone.now())


def person_of(notice: BudgetNotice) -> uuid.UUID | None:
    """Return whose spending a notice speaks of, None where it is that of several."""
    budget = notice.period.budget
    if budget.scope == Budget.Scope.USER:
        return budget.target_id
    return notice.period.member_id if budget.applies == Budget.Applies.EACH else None


def people_told(groups: Sequence[Sequence[BudgetNotice]]) -> dict[uuid.UUID, str]:
    """Return id -> address of the persons concerned, but for suspended ones."""
    ids = {person for group in groups if (person := person_of(group[-1])) is not None}
    return dict(User.objects.filter(pk__in=ids, is_active=True).values_list("pk", "email"))


def staff_addresses() -> list[str]:
    """Return the addresses of active staff who may see the ledger."""
    permission = {"content_type__app_label": "billing", "codename": PERMISSION}
    given = {f"user_permissions__{name}": value for name, value in permission.items()}
    by_group = {f"groups__permissions__{name}": value for name, value in permission.items()}
    staff = User.objects.filter(is_active=True, is_staff=True)
    may = staff.filter(Q(is_superuser=True) | Q(**given) | Q(**by_group))
    return list(may.order_by("email").values_list("email", flat=True).distinct())
