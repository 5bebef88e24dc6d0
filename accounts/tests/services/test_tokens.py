"""API tokens: creation, storage as digests, expiry."""

from __future__ import annotations

import datetime as dt
import io
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from django.utils import timezone

from accounts.models import ApiToken, User, secret_digest
from accounts.services.people import MAX_TOKENS, TOUCH_EVERY, token_create, token_touch
from accounts.tests.support.at_once import at_once
from accounts.tests.support.clients import make_user, refused
from web.errors import ValidationFailed

pytestmark = pytest.mark.django_db

URL = "/api/v1/auth/me"
ALL = ["read", "chat", "manage"]


def ask(secret: str) -> Any:
    return Client(headers={"Authorization": f"Bearer {secret}"}).get(URL)


def command(*args: Any, **options: Any) -> str:
    out = io.StringIO()
    call_command("create_token", *args, stdout=out, **options)
    return out.getvalue()


def fields_refused(user: User, **fields: Any) -> set[str]:
    with pytest.raises(ValidationFailed) as refusal:
        token_create(**{"user": user, "name": "test", **fields})
    assert not ApiToken.objects.exists()
    return set(refusal.value.details["fields"])


def test_the_command_explains_refusals(alice: User) -> None:
    with pytest.raises(CommandError, match=r"^scopes: [A-Z][^{}\[\]]+\.$"):
        command(alice.email, "--name", "test", "--scopes", "admin")


def test_only_the_digest_is_stored(alice: User) -> None:
    token, secret = token_create(user=alice, name="laptop")
    stored = ApiToken.objects.get(pk=token.pk)
    columns = [str(getattr(stored, field.attname)) for field in ApiToken._meta.concrete_fields]
    assert not any(secret in column for column in columns)
    assert stored.digest == secret_digest(secret)
    assert secret.startswith(stored.hint)
    assert len(stored.hint) <= 8  # three of them are the prefix, so the hint reveals little


def test_secrets_are_long_and_never_the_same(alice: User) -> None:
    secrets = {token_create(user=alice, name="test")[1] for _ in range(20)}
    assert len(secrets) == 20
    assert all(secret.startswith("pn_") and len(secret) >= 46 for secret in secrets)


def test_a_digest_is_no_key(alice: User) -> None:
    token, _ = token_create(user=alice, name="laptop")
    refused(ask(token.digest), 401, "not_authenticated")
    refused(ask(token.hint), 401, "not_authenticated")


def test_a_token_ends_when_it_expires(alice: User) -> None:
    token, secret = token_create(user=alice, name="test", expires_at=timezone.now() + dt.timedelta(minutes=5))
    assert ask(secret).status_code == 200
    ApiToken.objects.filter(pk=token.pk).update(expires_at=timezone.now())
    refused(ask(secret), 401, "not_authenticated")


def test_last_use_is_noted_at_most_once_a_minute(alice: User, django_assert_num_queries) -> None:
    token, secret = token_create(user=alice, name="test")
    assert token.last_used_at is None
    assert ask(secret).status_code == 200
    first = ApiToken.objects.get().last_used_at
    assert first is not None
    with django_assert_num_queries(1):  # the token, and no note
        ask(secret)
    assert ApiToken.objects.get().last_used_at == first
    long_ago = first - TOUCH_EVERY - dt.timedelta(seconds=1)
    ApiToken.objects.update(last_used_at=long_ago)
    with django_assert_num_queries(2):
        ask(secret)
    assert not ApiToken.objects.filter(last_used_at__lte=long_ago).exists()


def test_of_two_requests_at_once_one_notes_the_use(alice: User, django_assert_num_queries) -> None:
    token, _ = token_create(user=alice, name="test")
    token_touch(token=token)
    noted = ApiToken.objects.get().last_used_at
    token_touch(token=token)  # read before the other wrote
    assert ApiToken.objects.get().last_used_at == noted


def test_a_refused_token_notes_no_use(alice: User) -> None:
    token, secret = token_create(user=alice, name="test")
    User.objects.update(is_active=False)
    refused(ask(secret), 403, "account_suspended")
    token.refresh_from_db()
    assert token.last_used_at is None


def test_suspension_holds_at_once_and_ends_at_once(alice: User) -> None:
    _, secret = token_create(user=alice, name="test")
    assert ask(secret).status_code == 200
    User.objects.update(is_active=False)
    error = refused(ask(secret), 403, "account_suspended")
    assert error["retryable"] is False
    User.objects.update(is_active=True)
    assert ask(secret).status_code == 200


def test_scopes_default_to_all_that_the_user_may_have(alice: User) -> None:
    assert token_create(user=alice, name="test")[0].scopes == ALL
    carol = make_user("carol", is_staff=True)
    assert token_create(user=carol, name="test")[0].scopes == [*ALL, "admin"]


def test_scopes_can_be_fewer(alice: User) -> None:
    assert token_create(user=alice, name="test", scopes=["chat", "chat"])[0].scopes == ["chat"]


@pytest.mark.parametrize("scopes", [[], ["admin"], ["read", "admin"], ["everything"], ["READ"], [""]])
def test_scopes_that_the_user_may_not_have_are_refused(alice: User, scopes: list[str]) -> None:
    assert fields_refused(alice, scopes=scopes) == {"scopes"}


@pytest.mark.parametrize("name", ["", " \t ", "n" * 121])
def test_a_name_is_1_to_120_characters(alice: User, name: str) -> None:
    assert fields_refused(alice, name=name) == {"name"}
    assert token_create(user=alice, name=" " + "n" * 120)[0].name == "n" * 120


def test_tokens_go_with_their_user(alice: User) -> None:
    _, secret = token_create(user=alice, name="test")
    alice.delete()
    refused(ask(secret), 401, "not_authenticated")


class TestCommand:
    def test_prints_the_token_and_nothing_else(self, alice: User) -> None:
        printed = command("alice@example.com", name="laptop")
        secret = printed.strip()
        assert printed == f"{secret}\n"
        token = ApiToken.objects.get(digest=secret_digest(secret))
        assert (token.user, token.name, token.scopes, token.expires_at) == (alice, "laptop", ALL, None)
        assert ask(secret).status_code == 200

    def test_finds_the_user_however_the_address_is_typed(self, alice: User) -> None:
        assert command(" Alice@EXAMPLE.com", name="laptop")

    def test_takes_scopes_and_an_expiry(self, alice: User) -> None:
        before = timezone.now()
        command("alice@example.com", "--name", "ci", "--scopes", "read", "chat", "--expires-days", "7")
        token = ApiToken.objects.get()
        assert token.scopes == ["read", "chat"]
        assert token.expires_at is not None
        assert before + dt.timedelta(days=7) <= token.expires_at <= timezone.now() + dt.timedelta(days=7)

    @pytest.mark.parametrize(
        ("arguments", "says"),
        [
            (["nobody@example.com", "--name", "x"], "nobody@example.com"),
            (["alice@example.com", "--name", " "], "name"),
            (["alice@example.com", "--name", "n" * 121], "name"),
            (["alice@example.com"], "--name"),
            (["alice@example.com", "--name", "x", "--scopes", "admin"], "read, chat, manage"),
            (["alice@example.com", "--name", "x", "--scopes", "all"], "--scopes"),
            (["alice@example.com", "--name", "x", "--expires-days", "0"], "--expires-days"),
            (["alice@example.com", "--name", "x", "--expires-days", "-3"], "--expires-days"),
            (["alice@example.com", "--name", "x", "--expires-days", "9999999999"], "--expires-days"),
            (["alice@example.com", "--name", "x", "--expires-days", "soon"], "--expires-days"),
        ],
    )
    def test_says_what_is_wrong_and_makes_nothing(self, alice: User, arguments: list[str], says: str) -> None:
        with pytest.raises(CommandError, match=says):
            command(*arguments)
        assert not ApiToken.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_tokens_created_at_once_stay_within_the_bound(alice: User) -> None:
    for _ in range(MAX_TOKENS - 2):
        token_create(user=alice, name="test")
    made = at_once(*[lambda: token_create(user=alice, name="test")[0]] * 5)
    assert sum(isinstance(token, ApiToken) for token in made) == 2
    assert sum(isinstance(error, ValidationFailed) for error in made) == 3
