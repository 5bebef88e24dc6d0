"""Pages of the administration are called by what is on them, in our words instead of Django's."""

from __future__ import annotations

import re

import pytest
from django.contrib import admin

from accounts.models import Team, User
from accounts.tests.support.admin_site import page, static_files_as_they_are, superuser
from sessions.tests.support.admin_rows import make_rows

__all__ = ["static_files_as_they_are"]

pytestmark = pytest.mark.django_db

PHRASES = re.compile(
    r"Select \w+( \w+)? to (change|view)|Are you sure|Yes, I|No, take me back|change history|\bGo<"
    r"|-{9}</option>",
    re.IGNORECASE,
)


def title_of(body: str) -> str:
    found = re.search(r"<title>(.*?)</title>", body, re.DOTALL)
    assert found is not None
    return " ".join(found[1].split())


def test_a_list_is_called_by_what_is_in_it() -> None:
    make_rows()
    client = superuser()
    for model in admin.site._registry:
        body = client.get(page(model, "changelist")).content.decode()
        assert not PHRASES.search(body), model
        assert title_of(body).endswith("| Pantheon"), model
    assert title_of(client.get(page(User, "changelist")).content.decode()) == "Users | Pantheon"


def test_forms_histories_and_deletions_are_called_by_their_row() -> None:
    rows = make_rows()
    client = superuser()
    titles = {
        page(Team, "add"): "Add team | Pantheon",
        page(Team, "change", rows.team.pk): "Team of ada | Team | Pantheon",
        page(Team, "history", rows.team.pk): "History of Team of ada | Pantheon",
        page(Team, "delete", rows.team.pk): "Delete team | Pantheon",
    }
    for address, title in titles.items():
        body = client.get(address).content.decode()
        assert title_of(body) == title
        assert not PHRASES.search(body)


def test_each_action_on_selected_rows_has_a_button() -> None:
    rows = make_rows()
    client = superuser()
    body = client.get(page(User, "changelist")).content.decode()
    assert re.search(r'name="index"\s+value="0"\s*>\s*Suspend', body)
    form = {"action": ["suspend", "reactivate"], "_selected_action": rows.user.pk, "index": "0"}
    client.post(page(User, "changelist"), form)
    rows.user.refresh_from_db()
    assert not rows.user.is_active
    client.post(page(User, "changelist"), {**form, "index": "1"})
    rows.user.refresh_from_db()
    assert rows.user.is_active


def test_the_cells_of_a_list_are_labelled_for_cards() -> None:
    make_rows()
    body = superuser().get(page(User, "changelist")).content.decode()
    assert 'data-label="Team"' in body
    assert 'data-label="This month"' in body
