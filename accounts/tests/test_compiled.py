"""Compiled statements give the same results as the ORM, for any values."""

from __future__ import annotations

import datetime as dt
import uuid

import pytest
from django.db import connection
from django.db.models import BooleanField, CharField, F, UUIDField
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.models import ApiToken, Team, User
from web.database.compiled import CompiledQuery, CompiledUpdate, Slot, insert, insertion, together

pytestmark = pytest.mark.django_db

OF_TEAM: CompiledQuery[User] = CompiledQuery(
    lambda: User.objects.filter(team_id=Slot("team", UUIDField())).select_related("team").order_by("email")
)
RENAME: CompiledUpdate[User] = CompiledUpdate(
    lambda: (
        User.objects.filter(pk=Slot("user", UUIDField()), is_active=Slot("active", BooleanField())),
        {"name": Slot("name", CharField()), "team_id": Slot("team", UUIDField())},
    ),
    also={"users": f"(SELECT COUNT(*) FROM {User._meta.db_table})"},
)


@pytest.fixture
def team() -> Team:
    return Team.objects.create(name="Red")


def user(name: str, **fields: object) -> User:
    return User.objects.create(email=f"{name}@example.org", **fields)


def test_a_query_runs_with_other_values_each_time(team) -> None:
    other = Team.objects.create(name="Blue")
    ada, bob = user("ada", team=team), user("bob", team=other)
    user("cy")
    for place, expected in ((team, [ada]), (other, [bob]), (Team(pk=uuid.uuid4()), [])):
        with CaptureQueriesContext(connection) as queries:
            found = OF_TEAM(team=place.pk)
            assert found == expected
            assert [str(row.team) for row in found] == [place.name for _ in expected]
        assert len(queries) == 1
    assert OF_TEAM.first(team=team.pk) == ada
    assert OF_TEAM.first(team=uuid.uuid4()) is None


def test_a_row_comes_back_as_the_orm_would_have_read_it(team) -> None:
    ada = user("ada")
    row = RENAME.returning(user=ada.pk, active=True, name="Ada", team=team.pk)
    assert row is not None
    read = User.objects.get(pk=ada.pk)
    for field in User._meta.concrete_fields:
        value = getattr(row, field.attname)
        assert (type(value), value) == (type(getattr(read, field.attname)), getattr(read, field.attname))
    assert (row.name, row.team_id, row.users) == ("Ada", team.pk, 1)  # type: ignore[attr-defined]


def test_nothing_comes_back_where_nothing_matches(team) -> None:
    ada = user("ada", is_active=False)
    assert RENAME.returning(user=ada.pk, active=True, name="Ada", team=team.pk) is None
    ada.refresh_from_db()
    assert (ada.name, ada.team_id) == ("", None)


def test_a_value_may_be_none(team) -> None:
    ada = user("ada", team=team)
    row = RENAME.returning(user=ada.pk, active=True, name="Ada", team=None)
    assert row is not None
    assert row.team_id is None


def tokens(owner: User, *names: str) -> list[ApiToken]:
    return [ApiToken(user=owner, name=name, digest=name, hint="pn_", scopes=["read"]) for name in names]


def test_rows_are_inserted_with_their_defaults() -> None:
    ada = user("ada")
    first, second = tokens(ada, "one", "two")
    insert([first, second])
    insert([])
    assert not first._state.adding
    read = {token.name: token for token in ApiToken.objects.all()}
    assert read.keys() == {"one", "two"}
    assert read["one"].pk == first.pk
    assert read["one"].scopes == ["read"]
    assert timezone.now() - read["two"].created_at < dt.timedelta(minutes=1)


@pytest.mark.parametrize("email", ["ada@example.org", "nobody@example.org"])
def test_a_row_is_inserted_where_another_one_is_found(email) -> None:
    ada = user("ada")
    sql, params = insertion(
        tokens(ada, "one"), where=(f"FROM {User._meta.db_table} WHERE email = %s", [email])
    )
    with connection.cursor() as cursor:
        cursor.execute(sql, params)
        assert cursor.rowcount == (email == ada.email)
    assert ApiToken.objects.count() == (email == ada.email)


def test_writes_together_are_one_statement_on_postgresql(team) -> None:
    ada, bob = user("ada"), user("bob")
    with CaptureQueriesContext(connection) as queries:
        together(
            insertion(tokens(ada, "one", "two")),
            RENAME.bind(user=ada.pk, active=True, name="Ada", team=team.pk),
            RENAME.bind(user=bob.pk, active=True, name="Bob", team=None),
        )
        together()
    assert len(queries) == (1 if connection.vendor == "postgresql" else 3)
    assert list(User.objects.order_by("email").values_list("name", "team_id")) == [
        ("Ada", team.pk),
        ("Bob", None),
    ]
    assert ApiToken.objects.count() == 2


def test_a_change_may_be_an_expression() -> None:
    ada = user("ada")
    swap: CompiledUpdate[User] = CompiledUpdate(
        lambda: (User.objects.filter(pk=Slot("user", UUIDField())), {"name": F("email")})
    )
    together(swap.bind(user=ada.pk))
    ada.refresh_from_db()
    assert ada.name == ada.email
