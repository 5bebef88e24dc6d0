"""Creating a budget for a room from its page in the administration."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import Permission

from accounts.models import User
from accounts.tests.support.admin_site import page, signed_in, static_files_as_they_are, superuser
from accounts.tests.support.clients import make_user
from billing.models import Budget
from billing.tests.support.budgets import make_budget
from sessions.models import Room
from sessions.services.rooms import room_delete
from sessions.tests.factories import make_room

__all__ = ["static_files_as_they_are"]

pytestmark = pytest.mark.django_db
ADD = page(Budget, "add")


def test_the_room_leads_to_its_budget(alice):
    room, client = make_room(alice), superuser()
    link = f"{ADD}?scope=room&amp;room={room.pk}"
    assert link in client.get(page(Room, "change", room.pk)).content.decode()
    text = client.get(link.replace("&amp;", "&")).content.decode()
    assert f'value="{room.pk}"' in text
    form = {
        "scope": "room",
        "room": room.pk,
        "applies": "total",
        "limit_pico": "3",
        "period": "day",
        "thresholds": "",
    }
    assert client.post(ADD, form).status_code == 302
    budget = Budget.objects.get()
    assert (budget.scope, budget.target_id, budget.thresholds, budget.hard) == ("room", room.pk, [], False)
    assert "Room Board" in client.get(page(Budget, "changelist")).content.decode()


def test_only_for_those_who_may_set_one(alice):
    room, carol = make_room(alice), make_user("carol", is_staff=True)
    carol.user_permissions.add(Permission.objects.get(codename="view_room"))
    text = signed_in(User.objects.get(pk=carol.pk)).get(page(Room, "change", room.pk)).content.decode()
    assert "Board" in text
    assert ADD not in text


def test_not_for_a_room_that_was_deleted(alice):
    room, client = make_room(alice), superuser()
    make_budget("room", room)
    room_delete(room=room)
    assert f"{ADD}?" not in client.get(page(Room, "change", room.pk)).content.decode()
    form = {"scope": "room", "room": room.pk, "applies": "total", "limit_pico": "3", "period": "day"}
    response = client.post(ADD, form)
    assert set(response.context["adminform"].form.errors) == {"room"}
