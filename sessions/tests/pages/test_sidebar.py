"""The sidebar of every page: rooms, sessions by period, pins, unread marks, and what loads on demand."""

from __future__ import annotations

import datetime as dt
import re
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from accounts.tests.support.admin_site import static_files_as_they_are
from orchestration.engine.modes import MODES
from sessions.models import ChatSession, Turn
from sessions.pages.sidebar import period_of
from sessions.selectors.sidebar import ROOMS_AT_ONCE, SESSIONS_AT_ONCE
from sessions.services.chats import session_rename
from sessions.tests.factories import make_agent, make_model, make_room, make_session
from sessions.tests.support.pages import add_turns, assert_leads_to_sign_in, browser, text_of

__all__ = ["static_files_as_they_are"]

pytestmark = pytest.mark.django_db
HOME = reverse("home")
FRAGMENTS = ("sidebar-sessions", "sidebar-rooms")


@pytest.fixture
def room(alice):
    return make_room(alice, make_agent(alice, "ana", make_model()), name="Harbour board", goal="Think")


def titled(owner: Any, place: Any, title: str, **fields: Any) -> ChatSession:
    session = session_rename(session=make_session(owner, place), title=title)
    ChatSession.objects.filter(pk=session.pk).update(**fields)
    return session


def sidebar(page: str) -> str:
    found = re.search(r'<nav class="panel panel-sessions.*?</nav>', page, re.DOTALL)
    return found[0] if found else ""


def titles(part: str) -> list[str]:
    return re.findall(r'class="sidebar-name" dir="auto"[^>]*>(.*?)</span>', part)


def test_it_stands_beside_every_page(alice, room):
    session = titled(alice, room, "Rent")
    agent = alice.agents.get()
    pages = [
        HOME,
        *(reverse(name) for name in ("room-new", "agent-new", "usage", "search", "account", "deleted")),
        reverse("room-edit", args=[room.pk]),
        reverse("agent", args=[agent.pk]),
        reverse("session", args=[session.pk]),
    ]
    client = browser(alice)
    model = make_model(alias="another")
    add_turns(session, model, 1)

    def queries(page: str) -> int:
        with CaptureQueriesContext(connection) as statements:
            shown = sidebar(text_of(client.get(page)))
        assert "Harbour board" in shown, page
        assert "Rent" in titles(shown), page
        return len(statements)

    few = {page: queries(page) for page in pages}
    for number in range(4):
        place = make_room(alice, make_agent(alice, f"a{number}", model), name=f"Room {number}")
        add_turns(titled(alice, place, f"Session {number}"), model, 2)
        titled(alice, place, f"Pinned {number}", pinned_at=timezone.now())
        titled(alice, place.agents.get(), f"Alone {number}")
    assert {page: queries(page) for page in pages} == few


def test_people_who_are_not_signed_in_have_none(client, alice, room):
    assert sidebar(text_of(client.get(reverse("sign-in")))) == ""
    for name in FRAGMENTS:
        assert_leads_to_sign_in(client.get(reverse(name)))


def test_a_stranger_sees_nothing_of_it(alice, bob, room):
    session = titled(alice, room, "Rent")
    client = browser(bob)
    for page in (HOME, *map(reverse, FRAGMENTS)):
        text = text_of(client.get(page))
        assert "Rent" not in text
        assert "Harbour board" not in text
    assert client.get(reverse("session-menu", args=[session.pk])).status_code == 404
    for name in ("session-pin", "session-seen"):
        assert client.post(reverse(name, args=[session.pk]), {"pinned": "1"}).status_code == 404
    assert ChatSession.objects.get().pinned_at is None


def test_sessions_stand_by_period_and_pins_on_top(alice, room):
    now = timezone.now()
    for title, days in (("Old", 400), ("Now", 0), ("Week", 3), ("Before", 1)):
        titled(alice, room, title, updated_at=now - dt.timedelta(days=days))
    pinned = titled(alice, room, "Pin", updated_at=now - dt.timedelta(days=900))
    client = browser(alice)
    client.post(reverse("session-pin", args=[pinned.pk]), {"pinned": "1"})
    shown = sidebar(text_of(client.get(HOME)))
    assert titles(shown) == ["Pin", "Now", "Before", "Week", "Old"]
    old = (now - dt.timedelta(days=400)).strftime("%B %Y")
    assert re.findall(r"<h3>(.*?)</h3>", shown) == ["Today", "Yesterday", "Previous 7 days", old]
    client.post(reverse("session-pin", args=[pinned.pk]), {"pinned": "0"})
    assert titles(sidebar(text_of(client.get(HOME))))[-1] == "Pin"


@pytest.mark.parametrize(
    ("day", "label"),
    [
        ("2026-03-10", "Today"),
        ("2026-03-11", "Today"),
        ("2026-03-09", "Yesterday"),
        ("2026-03-03", "Previous 7 days"),
        ("2026-03-02", "March"),
        ("2025-12-31", "December 2025"),
    ],
)
def test_periods(day, label):
    assert period_of(dt.date.fromisoformat(day), dt.date(2026, 3, 10)) == label


def test_long_lists_load_on_demand_and_have_everything_once(alice, room):
    now = timezone.now()
    ChatSession.objects.bulk_create(
        ChatSession(
            owner=alice, room=room, title=f"Session {number}", updated_at=now - dt.timedelta(hours=number)
        )
        for number in range(2 * SESSIONS_AT_ONCE + 3)
    )
    for number in range(ROOMS_AT_ONCE + 2):
        make_room(alice, name=f"Another {number:02}")
    client = browser(alice)
    page = sidebar(text_of(client.get(HOME)))
    assert page.count('aria-hidden="true"') >= ROOMS_AT_ONCE
    assert page.count('href="/rooms/') == ROOMS_AT_ONCE + 1  # and "New room"
    assert text_of(client.get(reverse("sidebar-rooms"))).count('href="/rooms/') == ROOMS_AT_ONCE + 3
    seen = titles(page)
    while more := re.search(r'data-more="(/sidebar/sessions[^"]+)"', page):
        page = text_of(client.get(more[1].replace("&amp;", "&")))
        seen += titles(page)
    assert seen == [f"Session {number}" for number in range(2 * SESSIONS_AT_ONCE + 3)]
    assert client.get(reverse("sidebar-sessions"), {"after": "nonsense"}).status_code == 400


def test_an_answer_that_was_not_seen_is_marked_with_its_room(alice, room):
    session, client = titled(alice, room, "Rent"), browser(alice)
    add_turns(session, make_model(alias="another"), 1)
    assert sidebar(text_of(client.get(HOME))).count(">Unread<") == 2
    page = text_of(client.get(reverse("session", args=[session.pk])))
    assert sidebar(page).count(">Unread<") == 1, "its script removes this mark, and no mark of the room"
    assert client.post(reverse("session-seen", args=[session.pk])).status_code == 204
    assert ">Unread<" not in sidebar(text_of(client.get(HOME)))
    Turn.objects.update(completed_at=timezone.now())
    assert sidebar(text_of(client.get(HOME))).count(">Unread<") == 2


def test_a_menu_renames_pins_exports_and_deletes_and_leads_back(alice, room):
    session, client = titled(alice, room, "Rent <b>"), browser(alice)
    menu = text_of(client.get(reverse("session-menu", args=[session.pk])))
    assert 'value="Rent &lt;b&gt;"' in menu
    for name in ("session-rename", "session-pin", "session-delete"):
        assert f'action="{reverse(name, args=[session.pk])}"' in menu
    assert reverse("api-session-export", args=[session.pk]) in menu

    def leads_to(name: str, following: str, **fields: str) -> str:
        response = client.post(reverse(name, args=[session.pk]), {"next": following, **fields})
        assert response.status_code == 302
        return str(response["Location"])

    here = reverse("session", args=[session.pk])
    assert leads_to("session-rename", "/usage?days=7", title="Rents") == "/usage?days=7"
    assert leads_to("session-pin", "//evil.example/", pinned="1") == here
    assert leads_to("session-pin", "https://evil.example/", pinned="1") == here
    assert leads_to("session-delete", "/usage") == "/usage"
    assert "“Rents” was deleted." in text_of(client.get("/usage"))


def test_a_person_pins_a_limited_number_of_sessions(alice, room):
    """All pins are on every page."""
    sessions = [make_session(alice, room) for _ in range(3)]
    ChatSession.objects.filter(pk=sessions[0].pk).update(pinned_at=timezone.now())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sessions.services.chats.MOST_PINS", 2)
        client = browser(alice)
        assert client.post(reverse("session-pin", args=[sessions[1].pk]), {"pinned": "1"}).status_code == 302
        refused = client.post(reverse("session-pin", args=[sessions[2].pk]), {"pinned": "1"})
        assert refused.status_code == 422
        assert "Unpin one first" in text_of(refused)
        assert client.post(reverse("session-pin", args=[sessions[1].pk]), {"pinned": "0"}).status_code == 302
        assert client.post(reverse("session-pin", args=[sessions[2].pk]), {"pinned": "1"}).status_code == 302


def test_new_leads_to_where_one_is(alice, room):
    client = browser(alice)
    other = make_room(alice, make_agent(alice, "ben"), name="Tax")
    here, there = titled(alice, room, "Rent"), titled(alice, other, "Tax")
    ChatSession.objects.filter(pk=there.pk).update(updated_at=timezone.now() + dt.timedelta(hours=1))
    assert reverse("room-session-new", args=[room.pk]) in sidebar(
        text_of(client.get(reverse("session", args=[here.pk])))
    )
    assert reverse("room-session-new", args=[other.pk]) in sidebar(text_of(client.get(HOME)))
    alone = titled(alice, alice.agents.get(key="ana"), "Alone")
    page = sidebar(text_of(client.get(reverse("session", args=[alone.pk]))))
    assert reverse("agent-chat", args=[alone.agent_id]) in page


def test_without_rooms_new_creates_one(bob):
    assert '<a class="button sidebar-new" href="/rooms/new"' in sidebar(text_of(browser(bob).get(HOME)))


def test_every_mode_has_an_icon():
    icons = text_of_file("static/icons.svg")
    for mode in MODES.values():
        if mode.for_rooms:
            assert f'id="mode-{mode.key}"' in icons


def text_of_file(path: str) -> str:
    from django.conf import settings

    return (settings.BASE_DIR / path).read_text()
