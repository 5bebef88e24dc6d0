"""API: the budgets that apply to the user; and budgets of rooms, which billing knows only by id."""

from __future__ import annotations

import uuid

import pytest

from accounts.models import Team
from accounts.tests.support.clients import invalid, refused
from billing.fields import usd_text
from billing.models import Budget, UsageEvent
from billing.tests.support.budgets import make_budget, spend
from orchestration.engine.specs import Usage
from orchestration.tests.providers import Answer
from sessions.services.rooms import room_delete
from sessions.tests.factories import make_agent, make_room, make_session, make_user

pytestmark = pytest.mark.django_db
URL = "budgets"


@pytest.fixture
def root():
    return make_user("root", is_staff=True, is_superuser=True)


def test_signed_out_is_401(anonymous):
    refused(anonymous.get(URL), 401, "not_authenticated")


def test_a_token_needs_the_scope_read(api_of, alice):
    error = refused(api_of(alice, "chat", "manage").get(URL), 403, "permission_denied")
    assert error["details"] == {"scope": "read"}
    assert api_of(alice, "read").get(URL).status_code == 200


def test_nothing_is_written_here(api):
    for method in (api.post, api.patch, api.put):
        refused(method(URL, {}), 405, "method_not_allowed")
    refused(api.delete(URL), 405, "method_not_allowed")


def test_without_budgets_the_list_is_empty(api):
    assert api.get(URL).json() == {"next": None, "previous": None, "results": []}


def test_own_budgets_have_amounts_and_period(api, alice):
    budget = make_budget("user", alice, usd=10)
    period = spend(budget, 250, held_cents=50)
    assert api.get(URL).json()["results"] == [
        {
            "id": str(budget.pk),
            "scope": "user",
            "target_id": str(alice.pk),
            "target_name": "alice@example.com",
            "applies": "total",
            "limit_usd": "10.00",
            "period": "month",
            "hard": True,
            "thresholds": [50, 80, 100],
            "created_at": budget.created_at.isoformat().replace("+00:00", "Z"),
            "spent_usd": "2.50",
            "held_usd": "0.50",
            "available_usd": "7.00",
            "percent": 25.0,
            "starts_at": f"{period.start}T00:00:00Z",
            "resets_at": budget.resets_at(period.start).isoformat().replace("+00:00", "Z"),
        }
    ]


def test_mine_alone_and_those_of_my_rooms(api, stranger, alice, bob, api_of):
    team = Team.objects.create(name="Legal")
    alice.team = team
    alice.save()
    room, other = make_room(alice), make_room(bob)
    mine = {
        make_budget(),
        make_budget("team", team),
        make_budget("room", room),
        make_budget("room", room, applies="each"),
    }
    theirs = {make_budget("user", bob), make_budget("room", other)}
    everyone = {budget for budget in mine if budget.scope == "everyone"}
    ids = lambda client: {row["id"] for row in client.get(URL).json()["results"]}  # noqa: E731
    assert ids(api) == {str(budget.pk) for budget in mine}
    assert ids(stranger) == {str(budget.pk) for budget in everyone | theirs}
    names = {row["scope"]: row["target_name"] for row in api.get(URL).json()["results"]}
    assert names == {"everyone": None, "team": "Legal", "room": "Board"}


def test_a_room_that_was_deleted_binds_nobody(api, alice):
    room = make_room(alice)
    make_budget("room", room)
    room_delete(room=room)
    assert api.get(URL).json()["results"] == []


def test_my_own_takes_the_place_of_those_for_each_member(api, alice):
    make_budget(applies="each", usd=1)
    own = make_budget("user", alice, usd=50)
    assert [row["id"] for row in api.get(URL).json()["results"]] == [str(own.pk)]


def test_as_many_statements_for_many_as_for_few(api, alice, django_assert_num_queries):
    make_budget("room", make_room(alice))
    make_budget("user", alice)
    api.get(URL)  # the token's last use is noted once a minute
    with django_assert_num_queries(4):  # the token, the budgets, the names of rooms and people
        api.get(URL)
    for _ in range(4):
        make_budget("room", make_room(alice))
        make_budget(period="day")
    with django_assert_num_queries(4):
        api.get(URL)


def test_a_budget_is_of_a_room_that_there_is(api_of, root, alice):
    staff = api_of(root)
    room = make_room(alice)
    body = {"scope": "room", "target_id": str(room.pk), "limit_usd": "3"}
    made = staff.post("admin/budgets", body)
    assert made.status_code == 201
    assert made.json()["target_name"] == "Board"
    invalid(staff.post("admin/budgets", {**body, "target_id": str(uuid.uuid4())}), "target_id")
    room_delete(room=room)
    invalid(staff.post("admin/budgets", body), "target_id")
    assert Budget.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_a_turn_is_in_the_budgets_that_bind_it(api, alice, openai_model, openai_server):
    budget = make_budget("user", alice, usd=1)
    openai_server.queue(Answer("One two.", usage=Usage(input=120, output=30)))
    session = make_session(alice, make_agent(alice, "ana", openai_model))
    assert api.post(f"sessions/{session.pk}/turns", {"message": "hello"}).status_code == 201
    [row] = api.get(URL).json()["results"]
    cost = UsageEvent.objects.get().cost_pico
    assert cost == 120 * 2_000_000 + 30 * 10_000_000
    assert (row["spent_usd"], row["held_usd"]) == (usd_text(cost), "0.00")
    assert row["available_usd"] == usd_text(budget.limit_pico - cost)
