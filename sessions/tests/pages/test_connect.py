"""*Connect*: what the panel names for programs is what the OpenAI-compatible endpoint takes."""

from __future__ import annotations

import re

import pytest
from django.urls import reverse

from accounts.services.people import token_create
from accounts.tests.support.admin_site import static_files_as_they_are
from sessions.models import ChatSession
from sessions.services.agents import agent_delete
from sessions.tests.factories import make_agent, make_room, make_session
from sessions.tests.support.pages import browser, text_of

__all__ = ["static_files_as_they_are"]

pytestmark = pytest.mark.django_db


def connect_part(alice, session: ChatSession) -> str:
    page = text_of(browser(alice).get(reverse("session", args=[session.pk])))
    return page[page.index('id="panel-part-connect"') :]


@pytest.mark.parametrize("in_room", [True, False], ids=["room", "agent"])
def test_the_named_model_is_listed_by_the_endpoint(client, alice, openai_model, in_room):
    agent = make_agent(alice, "ana", openai_model)
    session = make_session(alice, make_room(alice, agent, name="Board") if in_room else agent)
    base_url, model = re.findall(r"<code>([^<]+)</code></pre>", connect_part(alice, session))[:2]
    _, secret = token_create(user=alice, name="test")
    assert base_url == "http://testserver/v1"
    listed = client.get(f"{base_url}/models", headers={"Authorization": f"Bearer {secret}"}).json()
    assert model in [each["id"] for each in listed["data"]]
    assert model.startswith("room:board-" if in_room else "agent:ana")


def test_a_deleted_agent_cannot_be_connected(alice, openai_model):
    agent = make_agent(alice, "ana", openai_model)
    session = make_session(alice, agent)
    agent_delete(agent=agent)
    assert "This agent was deleted." in connect_part(alice, session)
