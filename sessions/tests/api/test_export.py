"""Export of a session as a file."""

from __future__ import annotations

import json
from typing import Any

import pytest

from accounts.tests.support.bodies import body_of
from orchestration.tests.providers import Answer
from sessions.models import ChatSession, Summary, Turn
from sessions.tests.conftest import Api
from sessions.tests.factories import make_agent, make_room, make_session

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.filterwarnings("ignore:StreamingHttpResponse must consume asynchronous"),
]


def text_of(response: Any) -> str:
    return body_of(response).decode()


@pytest.fixture
def session(api, alice, openai_model, openai_server) -> ChatSession:
    """Two turns of two agents, the second made twice."""
    agents = [make_agent(alice, key, openai_model) for key in ("ana", "bob")]
    session = make_session(alice, make_room(alice, *agents, name="The\nBoard"))
    openai_server.default = Answer("**Yes**, we shall.")
    for message in ("@all Shall we?", "@ana And then?"):
        assert api.post(f"sessions/{session.pk}/turns", {"message": message}).status_code == 201
    newest = Turn.objects.get(session=session, index=2)
    openai_server.default = Answer("Another answer.")
    assert api.post(f"turns/{newest.pk}/rerun", {}).status_code == 201
    return session


def test_markdown_is_the_conversation_as_it_is_now(api: Api, session) -> None:
    Summary.objects.create(
        session=session,
        from_seq=1,
        through_seq=3,
        text="They agreed.",
        decisions=[{"text": "Ana decided\nto go.", "message_seq": 2, "pinned": False}],
    )
    response = api.get(f"sessions/{session.pk}/export?as=md")
    assert response["Content-Type"] == "text/markdown; charset=utf-8"
    assert response["Content-Disposition"] == 'attachment; filename="shall-we.md"'
    text = text_of(response)
    assert text.startswith("# Shall we?\n\nRoom: The Board · ")
    assert "## User\n\n@all Shall we?\n\n## Ana (@ana) · gpt-test\n\n**Yes**, we shall." in text
    assert text.count("@ana And then?") == 1
    assert "Another answer." in text
    assert text.endswith("## Summary\n\nThey agreed.\n\n### Decisions\n\n- Ana decided to go.\n")


def test_json_is_everything(api: Api, session) -> None:
    response = api.get(f"sessions/{session.pk}/export?as=json")
    assert response["Content-Type"] == "application/json; charset=utf-8"
    data = json.loads(text_of(response))
    assert (data["id"], data["room"]["name"]) == (str(session.pk), "The\nBoard")
    assert [turn["index"] for turn in data["turns"]] == [1, 2, 3]
    turns = api.get(f"sessions/{session.pk}/turns").json()["results"]
    assert data["turns"] == turns[::-1]


def test_a_title_is_no_path(api: Api, session) -> None:
    ChatSession.objects.filter(pk=session.pk).update(title='../"\r\nSet-Cookie: a=b/ ü')
    name = api.get(f"sessions/{session.pk}/export")["Content-Disposition"]
    assert name == 'attachment; filename="set-cookie-ab-u.md"'
    ChatSession.objects.filter(pk=session.pk).update(title="✨")
    assert 'filename="session.md"' in api.get(f"sessions/{session.pk}/export")["Content-Disposition"]


def test_takes_as_many_queries_for_many_turns_as_for_one(
    api: Api, session, django_assert_max_num_queries
) -> None:
    with django_assert_max_num_queries(12):
        text_of(api.get(f"sessions/{session.pk}/export?as=json"))
    with django_assert_max_num_queries(8):
        text_of(api.get(f"sessions/{session.pk}/export?as=md"))


def test_an_empty_session(api: Api, alice, openai_model) -> None:
    session = make_session(alice, make_agent(alice, "ana", openai_model))
    markdown = text_of(api.get(f"sessions/{session.pk}/export"))
    assert markdown.startswith("# Session\n\nAgent: @ana · ")
    document = text_of(api.get(f"sessions/{session.pk}/export?as=json"))
    assert json.loads(document)["turns"] == []
    assert document.endswith('"turns": [],\n "summaries": []\n}')


def test_who_may_not(api: Api, stranger: Api, anonymous: Api, api_of, alice, openai_model) -> None:
    path = f"sessions/{make_session(alice, make_agent(alice, 'ana', openai_model)).pk}/export"
    assert stranger.get(path).status_code == 404
    assert anonymous.get(path).status_code == 401
    assert api_of(alice, "chat").get(path).status_code == 403
    assert api.get("sessions/nonsense/export").status_code == 404
    response = api.get(f"{path}?as=pdf")
    assert (response.status_code, response.json()["error"]["code"]) == (400, "invalid_parameter")
