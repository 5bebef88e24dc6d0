"""Budgets in the administration: target names, use, and audit entries of every write."""

from __future__ import annotations

import uuid

import pytest
from django.urls import reverse
from django.utils import timezone

from accounts.models import AuditEntry, Team, User
from accounts.tests.support.admin_site import page, signed_in, static_files_as_they_are, superuser
from accounts.tests.support.clients import make_user
from billing.models import ZERO_UUID, Budget, BudgetPeriod
from billing.tests.factories import USAGE_PICO, make_model
from billing.tests.support.budgets import USD, make_budget, spend
from billing.tests.support.daily import bill

__all__ = ["static_files_as_they_are"]

pytestmark = pytest.mark.django_db
LIST, ADD = page(Budget, "changelist"), page(Budget, "add")


@pytest.fixture
def legal():
    return Team.objects.create(name="Legal")


@pytest.fixture
def alice():
    return make_user("alice")


@pytest.fixture
def admin():
    return superuser()


def form(scope="everyone", **fields):
    """The form data of the add page."""
    defaults = {
        "scope": scope,
        "applies": "total",
        "limit_pico": "10",
        "period": "month",
        "hard": "on",
        "thresholds": "50, 80, 100",
    }
    return {name: value for name, value in {**defaults, **fields}.items() if value is not None}


def errors(response):
    assert response.status_code == 200
    found: dict[str, list[str]] = response.context["adminform"].form.errors
    return set(found)


def actions():
    return list(AuditEntry.objects.order_by("at").values_list("action", flat=True))


def test_make_one_of_everyone(admin):
    assert admin.post(ADD, form()).status_code == 302
    budget = Budget.objects.get()
    assert (budget.target_id, budget.limit_pico, budget.hard) == (ZERO_UUID, 10 * USD, True)
    assert budget.thresholds == [50, 80, 100]
    [entry] = AuditEntry.objects.all()
    assert (entry.action, entry.object_id) == ("add", str(budget.pk))
    assert entry.actor_id == User.objects.get(email="root@example.org").pk
    assert entry.after["limit_pico"] == 10 * USD


def test_make_one_of_a_team_and_of_a_person(admin, legal, alice):
    bill(make_model(), alice, timezone.now(), team=legal)
    admin.post(ADD, form("team", team=legal.pk, applies="each", thresholds="90 %, 10", hard=None))
    admin.post(ADD, form("user", user=alice.pk, period="day", limit_pico="0.001"))
    team, user = Budget.objects.order_by("created_at")
    assert (team.target_id, team.applies, team.hard, team.thresholds) == (legal.pk, "each", False, [10, 90])
    assert (user.target_id, user.period, user.limit_pico) == (alice.pk, "day", USD // 1000)
    spent = dict(BudgetPeriod.objects.values_list("budget", "spent_pico"))
    assert spent == {team.pk: USAGE_PICO, user.pk: USAGE_PICO}


@pytest.mark.parametrize(
    ("fields", "wrong"),
    [
        ({"scope": ""}, {"scope"}),
        ({"scope": "team"}, {"team"}),
        ({"scope": "user"}, {"user"}),
        ({"scope": "room"}, {"room"}),
        ({"scope": "team", "team": uuid.UUID(int=7)}, {"team"}),
        ({"scope": "user", "user": "nobody"}, {"user"}),
        ({"scope": "room", "room": uuid.UUID(int=7)}, {"room"}),
        ({"scope": "room", "room": "the big one"}, {"room"}),
        ({"room": uuid.UUID(int=7)}, {"room"}),
        ({"limit_pico": ""}, {"limit_pico"}),
        ({"limit_pico": "-1"}, {"limit_pico"}),
        ({"limit_pico": "1000001"}, {"limit_pico"}),
        ({"period": "week"}, {"period"}),
        ({"thresholds": "half"}, {"thresholds"}),
        ({"thresholds": "0"}, {"thresholds"}),
        ({"thresholds": ",".join(map(str, range(1, 12)))}, {"thresholds"}),
    ],
)
def test_what_cannot_be_taken(admin, fields, wrong):
    assert errors(admin.post(ADD, form(**fields))) == wrong
    assert not Budget.objects.exists()
    assert actions() == []


def test_a_target_must_fit_its_scope(admin, legal, alice):
    assert errors(admin.post(ADD, form("everyone", team=legal.pk))) == {"team"}
    assert errors(admin.post(ADD, form("team", team=legal.pk, user=alice.pk))) == {"user"}
    assert errors(admin.post(ADD, form("user", user=alice.pk, applies="each"))) == {"applies"}


def test_change_it(admin, legal):
    budget = make_budget("team", legal)
    spend(budget, 400)
    url = page(Budget, "change", budget.pk)
    response = admin.get(url)
    assert f'<option value="{legal.pk}" selected>Legal</option>' in response.content.decode()
    assert "40%" in response.content.decode()
    assert admin.post(url, form("team", team=legal.pk, limit_pico="5", hard=None)).status_code == 302
    budget.refresh_from_db()
    assert (budget.limit_pico, budget.hard, budget.target_id) == (5 * USD, False, legal.pk)
    assert budget.periods.get().spent_pico == 4 * USD
    [entry] = AuditEntry.objects.all()
    assert (entry.before, entry.after) == (
        {"limit_pico": 10 * USD, "hard": True},
        {"limit_pico": 5 * USD, "hard": False},
    )


def test_saved_as_it_is_it_is_no_change(admin, legal):
    budget = make_budget("team", legal)
    admin.post(page(Budget, "change", budget.pk), form("team", team=legal.pk))
    assert actions() == []


def test_delete_one(admin, alice):
    budget = make_budget(applies="each")
    spend(budget, 900, by=alice)
    url = page(Budget, "delete", budget.pk)
    assert "Everyone, each member" in admin.get(url).content.decode()
    assert admin.post(url, {"post": "yes"}).status_code == 302
    assert not Budget.objects.exists()
    assert actions() == ["delete"]


def test_delete_many(admin, alice):
    budgets = [make_budget(), make_budget("user", alice), make_budget(period="day")]
    chosen = [budget.pk for budget in budgets[:2]]
    data = {"action": "delete_selected", "_selected_action": chosen}
    assert "alice@example.com" in admin.post(LIST, data).content.decode()
    assert admin.post(LIST, {**data, "post": "yes"}).status_code == 302
    assert list(Budget.objects.all()) == budgets[2:]
    assert actions() == ["delete", "delete"]


def test_the_list_shows_owner_and_spent_share(admin, legal, alice):
    spend(make_budget("team", legal, applies="each", usd=2), 50, by=alice)
    make_budget("user", alice, usd=7, hard=False, period="day")
    text = admin.get(LIST).content.decode()
    for part in (
        "Team Legal, each member",
        "25%",
        "alice@example.com",
        "7.00",
        "soft",
        "only member so far",
    ):
        assert part in text, part
    assert 'width="25.00"' in text


@pytest.mark.parametrize(
    ("term", "found"), [("lega", 1), ("ALICE@", 1), ("example.com", 1), ("nobody", 0), ("", 3)]
)
def test_search_finds_whose_they_are(admin, legal, alice, term, found):
    make_budget("team", legal)
    make_budget("user", alice)
    make_budget()
    assert len(admin.get(LIST, {"q": term}).context["cl"].result_list) == found


def test_people_are_completed_by_name(admin, alice):
    assert f'data-ajax--url="{reverse("admin:autocomplete")}"' in admin.get(ADD).content.decode()
    asked = {"app_label": "accounts", "model_name": "apitoken", "field_name": "user", "term": "alice@"}
    body = admin.get(reverse("admin:autocomplete"), asked).json()
    assert body["results"] == [{"id": str(alice.pk), "text": "Alice"}]


def test_a_link_fills_the_form(admin):
    room = uuid.uuid4()
    text = admin.get(ADD, {"scope": "room", "room": str(room)}).content.decode()
    assert '<option value="room" selected>' in text
    assert f'name="room" value="{room}"' in text


def test_what_each_permission_allows(legal):
    from django.contrib.auth.models import Permission

    budget = make_budget("team", legal)
    urls = {
        "view": LIST,
        "add": ADD,
        "change": page(Budget, "change", budget.pk),
        "delete": page(Budget, "delete", budget.pk),
    }
    for name in urls:
        user = make_user(f"staff-{name}", is_staff=True)
        user.user_permissions.add(Permission.objects.get(codename=f"{name}_budget"))
        client = signed_in(User.objects.get(pk=user.pk))
        assert (client.post(ADD, form()).status_code == 302) == (name == "add")
        change = client.post(urls["change"], form("team", team=legal.pk, limit_pico="9"))
        assert (change.status_code == 302) == (name == "change")
        assert client.get(urls["delete"]).status_code == (200 if name == "delete" else 403)
        assert client.post(urls["delete"], {}).status_code == (200 if name == "delete" else 403)
    viewer = signed_in(User.objects.get(email="staff-view@example.com"))
    text = viewer.get(urls["change"]).content.decode()
    assert "Team Legal" in text
    assert 'name="limit_pico"' not in text


def test_staff_do_not_loosen_their_own_limits(legal, alice):
    from django.contrib.auth.models import Permission

    user = make_user("carol", is_staff=True, team=legal)
    user.user_permissions.set(Permission.objects.filter(codename__endswith="_budget"))
    client = signed_in(User.objects.get(pk=user.pk))
    own, shared, other = make_budget("user", user), make_budget("team", legal), make_budget("user", alice)
    refused = [
        client.post(page(Budget, "change", own.pk), form("user", user=user.pk, limit_pico="11")),
        client.post(page(Budget, "change", shared.pk), form("team", team=legal.pk, hard=None)),
        client.post(page(Budget, "delete", own.pk), {"post": "yes"}),
        client.post(
            LIST, {"action": "delete_selected", "_selected_action": [other.pk, shared.pk], "post": "yes"}
        ),
        client.post(ADD, form("user", user=user.pk, period="day")),  # it would override per-member budgets
    ]
    for response in refused:
        assert response.status_code == 403
        assert "Ask an administrator" in response.content.decode()
    assert set(Budget.objects.all()) == {own, shared, other}
    assert actions() == []
    tighter = form("user", user=user.pk, limit_pico="9")
    assert client.post(page(Budget, "change", own.pk), tighter).status_code == 302
    raised = form("user", user=alice.pk, limit_pico="20")
    assert client.post(page(Budget, "change", other.pk), raised).status_code == 302
