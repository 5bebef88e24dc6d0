"""The composer's recipients in a room in manual mode: at first everyone, then the agents of the last message."""

from __future__ import annotations

import re

import pytest
from django.urls import reverse

from accounts.tests.support.admin_site import static_files_as_they_are
from sessions.models import ChatSession, Message, Room, RoomAgent
from sessions.tests.factories import make_agent, make_model, make_room, make_session
from sessions.tests.support.pages import add_turns, browser, text_of

__all__ = ["static_files_as_they_are"]

pytestmark = pytest.mark.django_db


@pytest.fixture
def session(alice):
    return make_session(alice, make_room(alice, *(make_agent(alice, key) for key in ("ana", "bob"))))


def kept(session: ChatSession) -> str | None:
    """Return whom the page keeps, None where it keeps nobody at all."""
    page = text_of(browser(session.owner).get(reverse("session", args=[session.pk])))
    found = re.search(r'data-addressees="([^"]*)"', page)
    return found and found[1]


def say(session: ChatSession, *texts: str) -> None:
    session.turns.all().delete()
    for turn, text in zip(add_turns(session, make_model(), len(texts)), texts, strict=True):
        turn.messages.filter(role="user").update(text=text)


@pytest.mark.parametrize(
    ("said", "keys"),
    [
        ("@bob and @Ana, what now?", "bob ana"),
        ("@all what now?", "all"),
        ("@ana or @all?", "all"),
        ("@zed and `@ana` of me@bob.example", "all"),
        ('@ana"><script>', "ana"),
    ],
)
def test_the_last_message_says_who_stays_addressed(session, said, keys):
    say(session, said)
    assert kept(session) == keys


def test_it_is_the_newest_version_of_the_last_message(session):
    assert kept(session) == "all"
    say(session, "@ana first", "@bob second", "@ana third")
    _, second, third = session.turns.order_by("index")
    assert kept(session) == "ana"
    third.replaces = second
    third.save()
    Message.objects.filter(turn=third, role="user").update(text="@all third")
    assert kept(session) == "all"


def test_who_left_the_room_is_not_addressed(session):
    say(session, "@ana @bob go")
    RoomAgent.objects.filter(agent__key="ana").delete()
    assert kept(session) == "bob"


def test_other_modes_keep_nobody(session):
    say(session, "@ana go")
    for mode in ("roundtable", "orchestrator"):
        Room.objects.update(mode=mode)
        assert kept(session) is None
