"""Users: one account per email address, ignoring case and spaces."""

from __future__ import annotations

import pytest
from django.contrib.auth import authenticate
from django.core.exceptions import ValidationError
from django.core.management import CommandError, call_command
from django.db import IntegrityError, transaction

from accounts.models import Team, User
from accounts.tests.support.clients import PASSWORD, make_user

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("typed", ["alice@example.com", "Alice@Example.COM", "  ALICE@example.com\n"])
def test_an_address_is_kept_in_lower_case(typed: str) -> None:
    user = User.objects.create_user(typed, PASSWORD)
    assert User.objects.get(pk=user.pk).email == "alice@example.com"


def test_saving_lowers_the_case_too(alice: User) -> None:
    alice.email = "Alice@Elsewhere.com"
    alice.save()
    assert User.objects.get().email == "alice@elsewhere.com"


def test_an_address_is_unique_whatever_its_case(alice: User) -> None:
    with pytest.raises(IntegrityError), transaction.atomic():
        User.objects.create_user("ALICE@Example.com", PASSWORD)
    with pytest.raises(ValidationError) as refusal:
        User(email="Alice@Example.com", password="x").full_clean()
    assert refusal.value.message_dict["email"] == ["An account with this email address exists."]


@pytest.mark.parametrize("email", ["ALICE@example.com", "alice@EXAMPLE.com", "Anne@example.com"])
def test_the_database_refuses_upper_case_from_any_writer(alice: User, email: str) -> None:
    with pytest.raises(IntegrityError), transaction.atomic():
        User.objects.filter(pk=alice.pk).update(email=email)
    with pytest.raises(IntegrityError), transaction.atomic():
        User.objects.bulk_create([User(email=email)])


def test_signs_in_with_the_address_however_it_is_typed(alice: User) -> None:
    assert authenticate(username="ALICE@Example.com ", password=PASSWORD) == alice
    assert authenticate(username="alice@example.com", password=PASSWORD.upper()) is None


def test_the_suspended_do_not_sign_in(alice: User) -> None:
    User.objects.update(is_active=False)
    assert authenticate(username="alice@example.com", password=PASSWORD) is None


def test_passwords_are_hashed_with_argon2() -> None:
    user = User.objects.create_user("carol@example.com", PASSWORD)
    assert user.password.startswith("argon2$argon2id$")
    assert PASSWORD not in user.password
    assert not User.objects.create_user("dave@example.com").has_usable_password()


@pytest.mark.parametrize(
    ("email", "name", "full", "short"),
    [
        ("ada@example.com", "Ada Lovelace", "Ada Lovelace", "Ada Lovelace"),
        ("ada@example.com", "", "ada@example.com", "ada"),
    ],
)
def test_is_called_by_name_or_else_by_address(email: str, name: str, full: str, short: str) -> None:
    user = User(email=email, name=name)
    assert (user.get_full_name(), str(user), user.get_short_name()) == (full, full, short)


def test_a_team_can_go_without_its_people() -> None:
    team = Team.objects.create(name="Legal")
    carol = make_user("carol", team=team)
    team.delete()
    carol.refresh_from_db()
    assert carol.team is None


class TestCreateSuperuser:
    """Django's createsuperuser, configured by environment variables as in containers."""

    @pytest.fixture(autouse=True)
    def _environment(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("DJANGO_SUPERUSER_EMAIL", "Root@Example.com")
        monkeypatch.setenv("DJANGO_SUPERUSER_PASSWORD", PASSWORD)

    def test_needs_no_input(self) -> None:
        call_command("createsuperuser", "--noinput", verbosity=0)
        root = User.objects.get()
        assert (root.email, root.is_staff, root.is_superuser) == ("root@example.com", True, True)
        assert root.check_password(PASSWORD)

    def test_says_so_when_the_address_is_taken(self) -> None:
        call_command("createsuperuser", "--noinput", verbosity=0)
        with pytest.raises(CommandError, match="email is already taken"):
            call_command("createsuperuser", "--noinput", verbosity=0)
        assert User.objects.count() == 1

    def test_says_so_without_an_address(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delenv("DJANGO_SUPERUSER_EMAIL")
        with pytest.raises(CommandError, match="--email"):
            call_command("createsuperuser", "--noinput", verbosity=0)
