"""The one-time link that creates the first administrator."""

from __future__ import annotations

import datetime as dt
import io
from typing import Any

import pytest
from django.core.management import call_command

from accounts.models import SetupLink, User, secret_digest
from accounts.services.people import administrator_create, setup_link_is_open, setup_link_issue
from accounts.tests.support.at_once import at_once
from accounts.tests.support.clients import PASSWORD, make_user
from web.errors import NotFound, ValidationFailed

pytestmark = pytest.mark.django_db


def issue() -> str:
    secret = setup_link_issue()
    assert secret is not None
    return secret


def use(secret: str, email: str = "root@example.com", **fields: Any) -> User:
    return administrator_create(
        **{"setup_secret": secret, "email": email, "name": "Root", "password": PASSWORD, **fields}
    )


def test_makes_the_administrator() -> None:
    secret = issue()
    assert setup_link_is_open(secret)
    user = use(secret, " Root@Example.com ", name=" Root ")
    stored = User.objects.get()
    assert stored == user
    assert (stored.email, stored.name) == ("root@example.com", "Root")
    assert stored.is_staff
    assert stored.is_superuser
    assert stored.check_password(PASSWORD)


def test_works_once() -> None:
    secret = issue()
    use(secret)
    assert not setup_link_is_open(secret)
    with pytest.raises(NotFound):
        use(secret, "second@example.com")
    assert User.objects.count() == 1


def test_only_the_digest_is_stored() -> None:
    secret = issue()
    link = SetupLink.objects.get()
    assert link.digest == secret_digest(secret)
    assert secret not in str(vars(link))
    assert len(secret) >= 43


@pytest.mark.parametrize("secret", ["", "nonsense", "\0", "é" * 50])
def test_another_secret_opens_nothing(secret: str) -> None:
    issue()
    assert not setup_link_is_open(secret)
    with pytest.raises(NotFound):
        use(secret)
    assert not User.objects.exists()


def test_the_digest_itself_opens_nothing() -> None:
    issue()
    assert not setup_link_is_open(SetupLink.objects.get().digest)


def test_a_new_link_replaces_the_old() -> None:
    old, new = issue(), issue()
    assert not setup_link_is_open(old)
    with pytest.raises(NotFound):
        use(old)
    assert use(new).is_superuser


def test_of_links_issued_at_once_the_newest_works() -> None:
    """Two processes that start together do not see each other's link."""
    old = issue()
    link = SetupLink.objects.get()
    new = issue()
    link.created_at -= dt.timedelta(seconds=1)
    link.save(force_insert=True)
    assert not setup_link_is_open(old)
    with pytest.raises(NotFound):
        use(old)
    assert use(new).is_superuser


def test_there_is_none_beside_an_administrator() -> None:
    secret = issue()
    make_user("root", is_superuser=True, is_staff=True)
    assert setup_link_issue() is None
    assert not setup_link_is_open(secret)
    with pytest.raises(NotFound):
        use(secret, "second@example.com")
    assert User.objects.count() == 1


def test_ordinary_people_are_no_administrator() -> None:
    make_user("alice")
    make_user("carol", is_staff=True)
    assert use(issue()).is_superuser


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"password": "short"}, "password"),
        ({"password": "password1234"}, "password"),
        ({"password": ""}, "password"),
        ({"password": "root@example.com"}, "password"),
        ({"email": "no address"}, "email"),
        ({"email": ""}, "email"),
        ({"email": "ALICE@example.com"}, "email"),
        ({"email": "r" * 250 + "@example.com"}, "email"),
        ({"name": "n" * 121}, "name"),
    ],
)
def test_a_refused_form_leaves_the_link_open(fields: dict[str, str], field: str) -> None:
    make_user("alice")
    secret = issue()
    with pytest.raises(ValidationFailed) as refusal:
        use(secret, **fields)
    assert set(refusal.value.details["fields"]) == {field}
    assert setup_link_is_open(secret)
    assert use(secret).is_superuser


@pytest.mark.django_db(transaction=True)
def test_of_two_uses_at_once_exactly_one_wins() -> None:
    secret = issue()
    outcomes = at_once(
        *(lambda number=number: use(secret, f"root{number}@example.com") for number in range(4))
    )
    winners = [outcome for outcome in outcomes if isinstance(outcome, User)]
    assert len(winners) == 1, outcomes
    assert all(isinstance(outcome, User | NotFound) for outcome in outcomes), outcomes
    assert list(User.objects.all()) == winners


class TestCommand:
    def printed(self, **options: Any) -> str:
        out = io.StringIO()
        call_command("setup_link", stdout=out, **options)
        return out.getvalue()

    def test_prints_a_link_that_works(self) -> None:
        link = self.printed(base_url="https://pantheon.example.com/")
        address, _, secret = link.rstrip("\n").rpartition("/")
        assert address == "https://pantheon.example.com/setup"
        assert link == f"{address}/{secret}\n"
        assert use(secret).is_superuser

    def test_prints_nothing_once_there_is_an_administrator(self) -> None:
        use(issue())
        assert self.printed() == ""
