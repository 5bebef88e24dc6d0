"""The front page of the administration: what it shows, to whom, and with how many statements."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.urls import reverse
from django.utils import timezone

from accounts.models import Invitation, User, secret_digest
from accounts.tests.support.admin_site import signed_in, static_files_as_they_are, superuser
from billing.tests.factories import make_model
from billing.tests.support.budgets import make_budget, spend
from billing.tests.support.daily import bill
from pantheon.overview import PARTS
from sessions.models import Call, Turn
from sessions.tests.support.admin_rows import WRITTEN, make_rows

__all__ = ["static_files_as_they_are"]

pytestmark = pytest.mark.django_db

INDEX = reverse("admin:index")


def parts(client: Any) -> dict[str, dict[str, Any]]:
    """Return the figures of each part, by its name."""
    shown = client.get(INDEX).context["overview"]
    return {part["template"].rpartition("/")[2].removesuffix(".html"): part for part in shown}


def staff(*codenames: str) -> Any:
    user = User.objects.create_user("carol@example.org", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=codenames))
    return signed_in(User.objects.get(pk=user.pk))


def test_an_empty_instance_says_that_nothing_is_there() -> None:
    body = superuser().get(INDEX).content.decode()
    for sentence in ("No budgets yet.", "No failed calls.", "Nothing is running.", "No open invitations."):
        assert sentence in body


def test_the_cost_of_the_month_its_forecast_and_calls_without_a_price() -> None:
    alice = User.objects.create_user("alice@example.org")
    bill(make_model(), alice, timezone.now())
    bill(make_model("unpriced", priced=False), alice, timezone.now())
    shown = parts(superuser())["costs"]
    assert shown["cost"].text == shown["today"].text == "$0.0006"
    assert shown["before"].text == "$0.00"
    assert float(shown["forecast"].exact) >= float(shown["cost"].exact)
    assert shown["unpriced"] == 1


def test_a_budget_from_80_percent_on_is_near_its_limit() -> None:
    near, far = make_budget(usd=10), make_budget(usd=100)
    spend(near, 850)
    spend(far, 850)
    [line] = parts(superuser())["budgets"]["lines"]
    assert line.budget == near


def test_an_enabled_model_without_a_price_can_get_one() -> None:
    model = make_model("new-model", priced=False)
    client = superuser()
    assert model in parts(client)["prices"]["unpriced"]
    assert f"{reverse('admin:billing_modelprice_add')}?model={model.pk}" in client.get(INDEX).content.decode()


def test_a_provider_fails_if_its_calls_failed_in_the_last_day() -> None:
    rows, others = make_rows(), make_rows("bob")
    Call.objects.update(status=Call.Status.FAILED)
    Call.objects.filter(pk=others.call.pk).update(started_at=timezone.now() - dt.timedelta(hours=25))
    [failing] = parts(superuser())["failures"]["failing"]
    assert (failing.name, failing.failed) == (rows.model.provider.name, 1)


def test_the_queue_counts_what_runs_and_waits() -> None:
    running, queued = make_rows(), make_rows("bob")
    Turn.objects.filter(pk=running.turn.pk).update(status="running", completed_at=None)
    Turn.objects.filter(pk=queued.turn.pk).update(status="queued", completed_at=None)
    make_rows("charlie")
    queue = parts(superuser())["queue"]["queue"]
    assert (queue.running, queue.queued) == (1, 1)
    assert queue.oldest_queued is not None


def test_who_joined_recently() -> None:
    old, new = (User.objects.create_user(f"{name}@example.org") for name in ("old", "new"))
    User.objects.filter(pk=old.pk).update(created_at=timezone.now() - dt.timedelta(days=60))
    users = parts(superuser())["people"]["users"]
    assert new in users
    assert old not in users


def test_open_invitations_are_counted() -> None:
    for number in (1, -1):
        Invitation.objects.create(
            email=f"new{number}@example.org",
            digest=secret_digest(str(number)),
            expires_at=timezone.now() + dt.timedelta(days=number),
        )
    assert parts(superuser())["invitations"]["open"] == 1


@pytest.mark.parametrize("part", PARTS, ids=lambda part: part.template)
def test_each_part_needs_its_permissions(part: Any) -> None:
    names = [name.partition(".")[2] for name in part.permissions]
    assert part.template in parts(staff(*names))
    if len(names) > 1:
        User.objects.all().delete()
        assert part.template not in parts(staff(names[0]))


def test_staff_without_permissions_see_no_figures() -> None:
    assert parts(staff()) == {}


def test_nothing_that_somebody_wrote_is_on_it() -> None:
    make_rows()
    Turn.objects.update(status="queued", completed_at=None)
    Call.objects.update(status=Call.Status.FAILED)
    assert WRITTEN not in superuser().get(INDEX).content.decode()


def test_it_takes_as_many_statements_for_many_rows(
    django_assert_num_queries: Any, django_assert_max_num_queries: Any
) -> None:
    client = superuser()

    def fill(number: int) -> None:
        rows = make_rows(f"ada-{number}")
        for scope, target in (("team", rows.team), ("user", rows.user), ("room", rows.room)):
            spend(make_budget(scope, target, usd=10, period="day"), 900 + number)
        Call.objects.update(status=Call.Status.FAILED)
        bill(make_model(f"free-{number}", priced=False), rows.user, timezone.now())

    fill(0)
    client.get(INDEX)
    with django_assert_max_num_queries(22) as few:
        client.get(INDEX)
    for number in range(1, 7):
        fill(number)
    with django_assert_num_queries(len(few)):
        client.get(INDEX)
