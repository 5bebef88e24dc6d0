"""API: staff create, read, change and delete budgets; each write is in the audit log."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import pytest
from django.contrib.auth.models import Permission
from django.core.cache import cache
from django.test import Client
from django.utils import timezone

from accounts.models import AuditEntry, Team, User
from accounts.tests.support.clients import browser_of, client_of, invalid, make_user, refused
from billing.fields import usd_text
from billing.models import ZERO_UUID, Budget
from billing.tests.factories import USAGE_PICO, make_model
from billing.tests.support.budgets import USD, make_budget, spend
from billing.tests.support.daily import bill

pytestmark = pytest.mark.django_db
URL = "/api/v1/admin/budgets"
ACTIONS = {"get": "view", "post": "add", "patch": "change", "delete": "delete"}


@pytest.fixture(autouse=True)
def _empty_cache() -> Iterator[None]:
    yield
    cache.clear()


@pytest.fixture
def legal():
    return Team.objects.create(name="Legal")


@pytest.fixture
def alice():
    return make_user("alice")


@pytest.fixture
def root():
    return make_user("root", is_staff=True, is_superuser=True)


@pytest.fixture
def api(root):
    return client_of(root)


def staff(*actions):
    user = make_user("carol", is_staff=True)
    user.user_permissions.set(
        Permission.objects.filter(codename__in=[f"{action}_budget" for action in actions])
    )
    return User.objects.get(pk=user.pk)


def send(client, method, url, body=None):
    return getattr(client, method)(url, {} if body is None else body, content_type="application/json")


def requests_of(budget):
    """One request of each kind, that an administrator may make."""
    return {
        ("get", URL): 200,
        ("get", f"{URL}/{budget.pk}"): 200,
        ("post", URL): 422,
        ("patch", f"{URL}/{budget.pk}"): 200,
        ("delete", f"{URL}/{budget.pk}"): 204,
    }


def test_who_may(alice, root):
    budget = make_budget()
    for method, url in requests_of(budget):
        refused(send(Client(), method, url), 401, "not_authenticated")
        refused(send(client_of(alice), method, url), 403, "permission_denied")
        refused(
            send(browser_of(alice), method, url),
            403,
            "csrf_failed" if method != "get" else "permission_denied",
        )
    for (method, url), status in requests_of(budget).items():
        assert send(client_of(root), method, url).status_code == status


@pytest.mark.parametrize("method", ACTIONS)
def test_staff_need_the_permission_of_what_they_do(method):
    budget = make_budget()
    others = staff(*(action for action in ACTIONS.values() if action != ACTIONS[method]))
    for (name, url), status in requests_of(budget).items():
        if name == method:
            refused(send(client_of(others), method, url), 403, "permission_denied")
            allowed = User.objects.get(pk=others.pk)
            allowed.user_permissions.add(Permission.objects.get(codename=f"{ACTIONS[method]}_budget"))
            assert send(client_of(User.objects.get(pk=others.pk)), method, url).status_code == status
            allowed.user_permissions.remove(Permission.objects.get(codename=f"{ACTIONS[method]}_budget"))


def test_nobody_learns_which_budgets_there_are(alice):
    refused(client_of(alice).get(f"{URL}/{make_budget().pk}"), 403, "permission_denied")
    refused(client_of(alice).get(f"{URL}/{uuid.uuid4()}"), 403, "permission_denied")


def test_a_token_needs_the_scope(root):
    budget = make_budget()
    for method, url in requests_of(budget):
        error = refused(
            send(client_of(root, "read", "chat", "manage"), method, url), 403, "permission_denied"
        )
        assert error["details"] == {"scope": "admin"}
    for (method, url), status in requests_of(budget).items():
        assert send(client_of(root, "read", "admin"), method, url).status_code == status


@pytest.mark.parametrize("wanted", ["nonsense", "12", str(uuid.UUID(int=9))])
def test_what_there_is_not_is_404(api, wanted):
    make_budget()
    for method in ("get", "patch", "delete"):
        refused(send(api, method, f"{URL}/{wanted}"), 404, "not_found")


@pytest.mark.parametrize(
    ("method", "path"), [("put", ""), ("delete", ""), ("patch", ""), ("post", "/{id}"), ("put", "/{id}")]
)
def test_other_methods(api, method, path):
    refused(send(api, method, URL + path.format(id=make_budget().pk)), 405, "method_not_allowed")


def test_create_with_the_required_fields(api):
    response = send(api, "post", URL, {"scope": "everyone", "limit_usd": 12.5})
    assert response.status_code == 201
    budget = Budget.objects.get()
    state = budget.start_of(timezone.now().date())
    assert response.json() == {
        "id": str(budget.pk),
        "scope": "everyone",
        "target_id": None,
        "target_name": None,
        "applies": "total",
        "limit_usd": "12.50",
        "period": "month",
        "hard": True,
        "thresholds": [50, 80, 100],
        "created_at": budget.created_at.isoformat().replace("+00:00", "Z"),
        "current": {
            "start": str(state),
            "resets_at": budget.resets_at(state).isoformat().replace("+00:00", "Z"),
            "spent_usd": "0.00",
            "held_usd": "0.00",
            "available_usd": "12.50",
            "percent": 0.0,
        },
    }


def test_create_with_all_fields(api, legal):
    body = {
        "scope": "team",
        "target_id": str(legal.pk),
        "applies": "each",
        "limit_usd": "0.000000000001",
        "period": "day",
        "hard": False,
        "thresholds": [90, "10", 90],
    }
    told = send(api, "post", URL, body).json()
    assert {name: told[name] for name in body} == {**body, "thresholds": [10, 90]}
    assert told["target_name"] == "Legal"
    assert told["current"]["members"] == 0
    assert told["current"]["fullest"] == []
    assert Budget.objects.get().limit_pico == 1


def test_what_was_spent_already_is_in_it(api, alice):
    bill(make_model(), alice, timezone.now())
    told = send(api, "post", URL, {"scope": "user", "target_id": str(alice.pk), "limit_usd": "0.0012"}).json()
    assert told["target_name"] == "alice@example.com"
    assert told["current"]["spent_usd"] == usd_text(USAGE_PICO)
    assert told["current"]["available_usd"] == usd_text(1_200_000_000 - USAGE_PICO)
    assert told["current"]["percent"] == 50.0


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ({}, ["scope", "limit_usd"]),
        ({"scope": "planet", "limit_usd": 1}, ["scope"]),
        ({"scope": "everyone", "limit_usd": -1}, ["limit_usd"]),
        ({"scope": "everyone", "limit_usd": "1000000.01"}, ["limit_usd"]),
        ({"scope": "everyone", "limit_usd": "0.0000000000001"}, ["limit_usd"]),
        ({"scope": "everyone", "limit_usd": "much"}, ["limit_usd"]),
        ({"scope": "everyone", "limit_usd": "NaN"}, ["limit_usd"]),
        ({"scope": "everyone", "limit_usd": 1e300}, ["limit_usd"]),
        ({"scope": "everyone", "limit_usd": None}, ["limit_usd"]),
        ({"scope": "everyone", "limit_usd": True}, ["limit_usd"]),
        ({"scope": "everyone", "limit_usd": [1]}, ["limit_usd"]),
        ({"scope": "everyone", "limit_usd": 1, "target_id": str(uuid.UUID(int=5))}, ["target_id"]),
        ({"scope": "team", "limit_usd": 1}, ["target_id"]),
        ({"scope": "user", "limit_usd": 1, "target_id": None}, ["target_id"]),
        ({"scope": "team", "limit_usd": 1, "target_id": str(ZERO_UUID)}, ["target_id"]),
        ({"scope": "team", "limit_usd": 1, "target_id": str(uuid.UUID(int=5))}, ["target_id"]),
        ({"scope": "user", "limit_usd": 1, "target_id": str(uuid.UUID(int=5))}, ["target_id"]),
        ({"scope": "room", "limit_usd": 1, "target_id": str(uuid.UUID(int=5))}, ["target_id"]),
        ({"scope": "room", "limit_usd": 1, "target_id": "the big one"}, ["target_id"]),
        ({"scope": "everyone", "limit_usd": 1, "applies": "some"}, ["applies"]),
        ({"scope": "everyone", "limit_usd": 1, "period": "week"}, ["period"]),
        ({"scope": "everyone", "limit_usd": 1, "hard": "perhaps"}, ["hard"]),
        ({"scope": "everyone", "limit_usd": 1, "thresholds": 50}, ["thresholds"]),
        ({"scope": "everyone", "limit_usd": 1, "thresholds": list(range(1, 12))}, ["thresholds"]),
        ({"scope": "everyone", "limit_usd": 1, "thresholds": [0]}, ["thresholds.0"]),
        ({"scope": "everyone", "limit_usd": 1, "thresholds": [1001]}, ["thresholds.0"]),
        ({"scope": "everyone", "limit_usd": 1, "thresholds": ["half"]}, ["thresholds.0"]),
        ([1], ["non_field_errors"]),
    ],
)
def test_what_cannot_be_taken(api, body, fields):
    invalid(send(api, "post", URL, body), *fields)
    assert not Budget.objects.exists()
    assert not AuditEntry.objects.exists()


def test_a_person_has_no_members(api, alice):
    body = {"scope": "user", "target_id": str(alice.pk), "applies": "each", "limit_usd": 1}
    assert invalid(send(api, "post", URL, body), "applies") == {
        "applies": ["A user has no members: choose total."]
    }


def test_change_some_of_it_and_leave_the_rest(api, legal):
    budget = make_budget("team", legal, usd=10)
    spend(budget, 400)
    told = send(api, "patch", f"{URL}/{budget.pk}", {"limit_usd": "5", "hard": False}).json()
    assert (told["limit_usd"], told["hard"], told["target_id"]) == ("5.00", False, str(legal.pk))
    assert told["current"]["percent"] == 80.0
    budget.refresh_from_db()
    assert budget.limit_pico == 5 * USD


def test_change_whose_it_is(api, legal, alice):
    budget = make_budget("team", legal, applies="each")
    url = f"{URL}/{budget.pk}"
    assert send(api, "patch", url, {"scope": "everyone"}).json()["target_id"] is None
    invalid(send(api, "patch", url, {"scope": "team"}), "target_id")
    invalid(send(api, "patch", url, {"target_id": str(legal.pk)}), "target_id")
    invalid(send(api, "patch", url, {"scope": "user", "target_id": str(alice.pk)}), "applies")
    told = send(api, "patch", url, {"scope": "user", "target_id": str(alice.pk), "applies": "total"}).json()
    assert (told["scope"], told["target_id"], told["applies"]) == ("user", str(alice.pk), "total")


def test_a_budget_of_somebody_who_is_gone_can_be_changed_all_the_same(api, legal):
    budget = make_budget("team", legal)
    legal.delete()
    told = send(api, "patch", f"{URL}/{budget.pk}", {"limit_usd": 1}).json()
    assert told["limit_usd"] == "1.00"
    assert told["target_name"].startswith("deleted (")


def test_delete(api):
    budget = make_budget()
    spend(budget, 900)
    assert api.delete(f"{URL}/{budget.pk}").status_code == 204
    assert not Budget.objects.exists()
    refused(api.delete(f"{URL}/{budget.pk}"), 404, "not_found")


def test_each_write_is_in_the_audit_log(api, root):
    told = send(api, "post", URL, {"scope": "everyone", "limit_usd": 1}).json()
    send(api, "patch", f"{URL}/{told['id']}", {"limit_usd": 2})
    send(api, "patch", f"{URL}/{told['id']}", {"limit_usd": 2})
    api.delete(f"{URL}/{told['id']}")
    entries = list(AuditEntry.objects.order_by("at"))
    assert [entry.action for entry in entries] == ["add", "change", "delete"]
    for entry in entries:
        assert (entry.actor_id, entry.object_id, entry.object_type) == (root.pk, told["id"], "billing.Budget")
    assert (entries[1].before, entries[1].after) == ({"limit_pico": USD}, {"limit_pico": 2 * USD})
    assert entries[0].after["limit_pico"] == USD
    assert entries[2].before["limit_pico"] == 2 * USD


def test_the_list_is_newest_first_and_has_pages(api):
    made = [str(make_budget(usd=usd).pk) for usd in (1, 2, 3)]
    body = api.get(URL, {"limit": 2}).json()
    assert [row["id"] for row in body["results"]] == made[:0:-1]
    rest = api.get(body["next"]).json()
    assert [row["id"] for row in rest["results"]] == made[:1]
    assert rest["next"] is None


def test_the_fullest_members_are_named(api, alice):
    budget = make_budget(applies="each", usd=2)
    bob = make_user("bob")
    spend(budget, 50, by=alice, held_cents=25)
    spend(budget, 20, by=bob)
    current = api.get(f"{URL}/{budget.pk}").json()["current"]
    assert (current["spent_usd"], current["held_usd"], current["available_usd"]) == ("0.50", "0.25", "1.25")
    assert current["members"] == 2
    assert [(row["user_id"], row["email"], row["percent"]) for row in current["fullest"]] == [
        (str(alice.pk), "alice@example.com", 25.0),
        (str(bob.pk), "bob@example.com", 10.0),
    ]


def test_a_list_takes_as_many_statements_for_many_as_for_few(api, alice, legal, django_assert_num_queries):
    make_budget("team", legal)
    make_budget("user", alice)
    spend(make_budget(applies="each"), 10, by=make_user("bob"))
    api.get(URL)
    # The token, the budgets, their periods, the carried-over holds, the names of teams and people, and of the
    # members listed.
    with django_assert_num_queries(7):
        api.get(URL)
    for number in range(4):
        person = make_user(f"p{number}")
        make_budget("user", person)
        make_budget("team", Team.objects.create(name=person.name))
        spend(make_budget(applies="each", period="day"), 10, by=person)
    with django_assert_num_queries(7):
        api.get(URL)


def test_staff_do_not_loosen_their_own_limits(legal, alice):
    carol = staff("add", "change", "delete")
    User.objects.filter(pk=carol.pk).update(team=legal)
    api = client_of(User.objects.get(pk=carol.pk))
    own, shared, other = make_budget("user", carol), make_budget("team", legal), make_budget("user", alice)
    wanted = {"scope": "user", "target_id": str(carol.pk), "limit_usd": "1000", "period": "day"}
    for method, url, body in (
        ("patch", f"{URL}/{own.pk}", {"limit_usd": "11"}),
        ("patch", f"{URL}/{shared.pk}", {"hard": False}),
        ("patch", f"{URL}/{shared.pk}", {"scope": "everyone"}),
        ("patch", f"{URL}/{other.pk}", {"target_id": str(carol.pk)}),
        ("delete", f"{URL}/{own.pk}", None),
        ("post", URL, wanted),
    ):
        error = refused(send(api, method, url, body), 403, "permission_denied")
        assert "Ask an administrator" in error["message"]
    assert not AuditEntry.objects.exists()
    assert send(api, "patch", f"{URL}/{own.pk}", {"limit_usd": "9"}).status_code == 200
    assert send(api, "patch", f"{URL}/{other.pk}", {"limit_usd": "20"}).status_code == 200


def test_staff_do_not_loosen_budgets_for_each_user_that_bind_them() -> None:
    api = client_of(staff("add", "change", "delete"))
    daily, monthly = (make_budget(applies="each", period=period) for period in ("day", "month"))
    for method, body in (
        ("patch", {"limit_usd": "11"}),
        ("patch", {"hard": False}),
        ("patch", {"applies": "total"}),
        ("delete", None),
    ):
        refused(send(api, method, f"{URL}/{monthly.pk}", body), 403, "permission_denied")
    assert send(api, "patch", f"{URL}/{monthly.pk}", {"limit_usd": "9"}).status_code == 200
    make_budget("user", User.objects.get(is_staff=True), period="month")
    assert send(api, "patch", f"{URL}/{monthly.pk}", {"limit_usd": "11"}).status_code == 200
    refused(send(api, "patch", f"{URL}/{daily.pk}", {"limit_usd": "11"}), 403, "permission_denied")


def test_staff_change_the_total_budget_of_everyone() -> None:
    api = client_of(staff("change"))
    total = make_budget()
    assert send(api, "patch", f"{URL}/{total.pk}", {"limit_usd": "11"}).status_code == 200
