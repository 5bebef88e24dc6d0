"""*Usage* names turns by the titles of their sessions."""

from __future__ import annotations

import pytest
from django.urls import reverse

from accounts.models import User
from accounts.tests.support.admin_site import static_files_as_they_are
from sessions.services.chats import session_delete
from sessions.tests.factories import make_agent, make_model, make_room, make_session
from sessions.tests.support.pages import add_turns, browser

__all__ = ["static_files_as_they_are"]

pytestmark = pytest.mark.django_db
USAGE = reverse("usage")


def test_a_turn_leads_to_its_session_by_its_title(alice: User) -> None:
    room = make_room(alice, make_agent(alice, "ana"), name="Harbour board")
    session = make_session(alice, room)
    session.title = "Rent or buy"
    session.save()
    [turn] = add_turns(session, make_model(), 1)
    [line] = browser(alice).get(USAGE).context["turns"]
    assert line.title == "Rent or buy"
    assert line.url == f"{reverse('session', args=[session.pk])}?turn={turn.pk}#turn-{turn.pk}"


def test_a_turn_of_a_deleted_session_leads_nowhere(alice: User) -> None:
    session = make_session(alice, make_agent(alice, "ana"))
    add_turns(session, make_model(), 1)
    session_delete(session=session)
    [line] = browser(alice).get(USAGE).context["turns"]
    assert (line.title, line.url) == ("Deleted session", "")
