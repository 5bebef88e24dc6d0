"""The command palette's options: one's own sessions, rooms and agents, and actions."""

from __future__ import annotations

import re

import pytest
from django.urls import reverse

from accounts.models import User
from accounts.tests.support.admin_site import static_files_as_they_are
from sessions.models import ChatSession
from sessions.selectors.palette import MOST_OF_KIND
from sessions.services.chats import session_delete
from sessions.tests.factories import make_agent, make_model, make_room, make_session
from sessions.tests.support.pages import assert_leads_to_sign_in, browser, text_of

__all__ = ["static_files_as_they_are"]

pytestmark = pytest.mark.django_db
PALETTE = reverse("palette")


@pytest.fixture
def room(alice):
    return make_room(alice, make_agent(alice, "ana", make_model(), name="Ärzte"), name="Straßenrat")


def titled(owner, place, title: str) -> ChatSession:
    session = make_session(owner, place)
    ChatSession.objects.filter(pk=session.pk).update(title=title)
    return session


def options(user: User, query: str = "") -> list[tuple[str, str]]:
    """Return the names of the options, each with where it leads or its script."""
    page = text_of(browser(user).get(PALETTE, {"q": query}))
    found = re.findall(r'data-(?:url|script)="([^"]*)".*?palette-name" dir="auto">(.*?)</span>', page)
    return [(name, target) for target, name in found]


def test_who_is_signed_out_is_asked_to_sign_in(client):
    assert_leads_to_sign_in(client.get(PALETTE))


def test_parts_of_names_find_in_any_case_and_accent(alice, room):
    session = titled(alice, room, "Rent in the café")
    agent = alice.agents.get()
    assert options(alice, "CAFE rent")[0] == ("Rent in the café", reverse("session", args=[session.pk]))
    assert options(alice, "strassen")[0] == ("Straßenrat", reverse("room", args=[room.pk]))
    for query in ("arzt", "@ana", "ana arzte"):
        assert options(alice, query)[0] == ("Ärzte", reverse("agent", args=[agent.pk]))
    assert options(alice, "shortc")[0] == ("Keyboard shortcuts", "keys")
    assert options(alice, "a%b")[-1] == ("Search messages for “a%b”", "/search?q=a%25b")


def test_without_a_query_it_shows_the_latest(alice, room):
    titled(alice, room, "Rent")
    names = [name for name, _ in options(alice)]
    assert names[:3] == ["Rent", "Straßenrat", "Ärzte"]
    assert "Administration" not in names
    assert ("Administration", reverse("admin:index")) in options(
        User.objects.create_superuser("r@example.org")
    )


def test_a_stranger_finds_nothing_of_others_and_nobody_what_is_deleted(alice, bob, room):
    session = titled(alice, room, "Rent")
    for query in ("", "rent", "rat", "arzt"):
        names = [name for name, _ in options(bob, query)]
        assert not {"Rent", "Straßenrat", "Ärzte"} & set(names)
    session_delete(session=session)
    assert "Rent" not in [name for name, _ in options(alice, "rent")]


def test_names_stay_text(alice, room):
    titled(alice, room, "<img src=x onerror=alert(1)>")
    assert options(alice, "img")[0][0] == "&lt;img src=x onerror=alert(1)&gt;"


@pytest.mark.parametrize("query", ["x" * 201, "a\x00b"])
def test_an_invalid_query_is_refused(alice, query):
    assert browser(alice).get(PALETTE, {"q": query}).status_code == 400


def test_many_rows_take_as_many_queries_as_few(alice, room, django_assert_num_queries):
    client = browser(alice)
    titled(alice, room, "Rent")
    with django_assert_num_queries(5):  # who is signed in (2), sessions, rooms, agents
        client.get(PALETTE)
    for number in range(MOST_OF_KIND + 2):
        place = make_room(alice, make_agent(alice, f"a{number}"), name=f"Room {number}")
        titled(alice, place, f"Session {number}")
    with django_assert_num_queries(5):
        page = text_of(client.get(PALETTE))
    assert page.count("/sessions/") == MOST_OF_KIND
