"""The audit log as sentences: with names, without texts, filtered, in a fixed number of statements."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.utils import timezone
from django.utils.html import strip_tags

from accounts.models import AuditEntry, Team, User
from accounts.tests.support.admin_site import page, signed_in, static_files_as_they_are, superuser
from accounts.tests.support.clients import make_user
from billing.models import ModelPrice
from billing.services.budget_changes import budget_add, budget_change
from billing.tests.factories import make_model, make_price

__all__ = ["static_files_as_they_are"]

pytestmark = pytest.mark.django_db

LIST = page(AuditEntry, "changelist")


@pytest.fixture
def ada() -> User:
    return User.objects.create_superuser("ada@example.com", name="Ada")


@pytest.fixture
def grace() -> User:
    return User.objects.create_user("grace@example.com", name="Grace")


def form_of(user: User, **changes: Any) -> dict[str, Any]:
    fields = {
        "email": user.email,
        "name": user.name,
        "team": user.team_id or "",
        "is_active": "on",
        **changes,
    }
    return {name: value for name, value in fields.items() if value is not None}


def sentences(ada: User, query: str = "") -> list[str]:
    """Return the sentences of the list, the newest first."""
    changelist = signed_in(ada).get(LIST + query).context["cl"]
    return [strip_tags(changelist.model_admin.sentence(row)).strip() for row in changelist.result_list]


def test_a_role_a_team_and_a_name(ada: User, grace: User) -> None:
    browser, address = signed_in(ada), page(User, "change", grace.pk)
    research = Team.objects.create(name="Research")
    browser.post(address, form_of(grace, groups=[Group.objects.get(name="Billing").pk]))
    browser.post(address, form_of(grace, is_staff="on", groups=[]))
    browser.post(address, form_of(grace, is_staff="on", team=research.pk))
    browser.post(address, form_of(grace, is_staff="on", team=research.pk, name="Grace Hopper"))
    browser.post(
        address, form_of(grace, is_staff="on", team=research.pk, name="Grace Hopper", is_active=None)
    )
    assert sentences(ada) == [
        "Ada suspended Grace Hopper",
        "Ada renamed Grace to Grace Hopper",
        "Ada moved Grace to Research",
        "Ada took Grace out of Billing",
        "Ada made Grace a Billing member",
    ]


def test_a_price_is_said_with_the_one_before(ada: User) -> None:
    model = make_model("gpt-4o", priced=False)
    mtok = 10**12 // 10**6
    make_price(model, input_pico=2 * mtok, output_pico=10 * mtok)
    form = {
        "model": model.pk,
        "effective_from_0": f"{timezone.now():%Y-%m-%d}",
        "effective_from_1": f"{timezone.now():%H:%M:%S}",
        "min_input_tokens": 0,
        "source": "administration",
        "input_pico": "3",
        "output_pico": "12",
        "is_confirmed": "on",
    }
    response = signed_in(ada).post(page(ModelPrice, "add"), form)
    assert response.status_code == 302, response.context["errors"]
    [sentence] = sentences(ada)
    assert sentence == (
        "Ada changed the price of gpt-4o from $2.00 in, $10.00 out to $3.00 in, $12.00 out per 1M tokens"
    )


def test_a_budget_is_called_by_its_owner(ada: User) -> None:
    team = Team.objects.create(name="Research")
    fields = {"scope": "team", "target_id": team.pk, "limit_pico": 40 * 10**12, "period": "month"}
    budget = budget_add(actor=ada, fields=fields)
    budget_change(actor=ada, budget_id=budget.pk, fields={"limit_pico": 50 * 10**12})
    changed, added = sentences(ada)
    assert added == "Ada added the monthly budget of Research: $40.00"
    assert changed == "Ada changed the monthly budget of Research: limit from $40.00 to $50.00"


def entry(**fields: Any) -> AuditEntry:
    defaults = {"action": "change", "object_type": "accounts.Team", "object_id": "x", "object_label": "Legal"}
    return AuditEntry.objects.create(**{**defaults, **fields})


def test_entries_of_all_kinds_are_readable(ada: User, grace: User) -> None:
    entry(before={"name": "Law"}, after={"name": "Legal"})
    entry(action="delete", before={"name": "Law"})
    entry(action="sign up", actor_id=grace.pk, object_type="accounts.User", object_label="Grace")
    entry(action="read", actor_id=ada.pk, object_type="chat_sessions.Turn", object_label="turn 1")
    entry(action="something else", object_type="nowhere.Nothing", object_label="it")
    entry(action="change", object_label="")
    assert sentences(ada)[::-1] == [
        "The command line changed the team Legal: name from Law to Legal",
        "The command line deleted the team Legal",
        "Grace signed up",
        "Ada viewed the content of turn 1",
        "The command line something else the nothing it",
        "The command line changed the team an erased object",
    ]


def test_values_of_conversations_are_never_shown(ada: User) -> None:
    entry(object_type="chat_sessions.Room", before={"goal": "xyzzy"}, after={"goal": "xyzzy too"})
    entry(object_type="accounts.User", before={"password": "xyzzy"}, after={"password": "(changed)"})
    assert not any("xyzzy" in sentence for sentence in sentences(ada))


def test_names_are_escaped(ada: User) -> None:
    entry(object_label="<script>alert(1)</script>", before={"name": "<b>"}, after={"name": "<i>"})
    body = signed_in(ada).get(LIST).content.decode()
    assert "<script>alert" not in body
    assert "<i>" not in body


def test_filters_of_person_kind_action_and_date(ada: User, grace: User) -> None:
    entry(actor_id=ada.pk)
    entry(actor_id=grace.pk, object_type="accounts.User", object_label="Bob", action="suspend")
    entry()
    assert len(sentences(ada, f"?person={ada.pk}")) == 1
    assert len(sentences(ada, "?person=none")) == 1
    assert sentences(ada, "?person=nobody") == []
    assert sentences(ada, "?object_type=accounts.User") == ["Grace suspended Bob"]
    assert sentences(ada, "?action=suspend") == ["Grace suspended Bob"]
    assert len(sentences(ada, f"?at__year={timezone.now().year}")) == 3
    assert sentences(ada, f"?q={grace.email}") == ["Grace suspended Bob"]


def test_the_list_takes_as_many_statements_for_many_entries(django_assert_num_queries: Any) -> None:
    client = superuser()

    def fill(number: int) -> None:
        team = Team.objects.create(name=f"Team {number}")
        user = make_user(f"user{number}", is_staff=True)
        entry(
            actor_id=user.pk,
            object_type="accounts.User",
            before={"team_id": None},
            after={"team_id": str(team.pk)},
        )
        entry(
            actor_id=user.pk,
            object_type="billing.Budget",
            object_label=f"hard budget per day of team {team.pk}",
        )

    fill(0)
    client.get(LIST)
    with django_assert_num_queries(9) as few:
        client.get(LIST)
    for number in range(1, 10):
        fill(number)
    with django_assert_num_queries(len(few)):
        client.get(LIST)
