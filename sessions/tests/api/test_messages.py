"""GET sessions/{id}/messages: the transcript, newest first. See also test_rules.py."""

from __future__ import annotations

from typing import Any

import pytest
from django.utils import timezone

from accounts.models import User
from accounts.tests.support.clients import refused
from sessions.api import sized_pages
from sessions.models import ChatSession, Message, Turn
from sessions.tests.conftest import Api
from sessions.tests.factories import make_agent, make_room, make_session

pytestmark = pytest.mark.django_db


@pytest.fixture
def session(alice: User) -> ChatSession:
    return make_session(alice, make_room(alice, make_agent(alice, "ana")))


def say(session: ChatSession, *answers: str, replaces: Turn | None = None) -> Turn:
    """Add a turn as it is when it is over: what the user said, and the answers."""
    index = session.turns.count() + 1
    now = timezone.now()
    turn = Turn.objects.create(
        session=session,
        user=session.owner,
        index=index,
        mode="manual",
        status="completed",
        completed_at=now,
        replaces=replaces,
    )
    seq = session.messages.count() + 1
    Message.objects.create(session=session, turn=turn, seq=seq, role="user", text=f"question {index}")
    for offset, text in enumerate(answers, start=1):
        Message.objects.create(
            session=session,
            turn=turn,
            seq=seq + offset,
            role="agent",
            agent_key="ana",
            agent_name="Ana",
            model="test-model",
            purpose="reply",
            round=1,
            text=text,
        )
    return turn


def seqs(page: Any) -> list[int]:
    return [message["seq"] for message in page["results"]]


def test_a_new_session_has_none(api: Api, session: ChatSession) -> None:
    assert api.get(f"sessions/{session.pk}/messages").json() == {
        "next": None,
        "previous": None,
        "results": [],
    }


def test_shows_who_said_what(api: Api, session: ChatSession) -> None:
    turn = say(session, "answer")
    answer, question = api.get(f"sessions/{session.pk}/messages").json()["results"]
    stored = Message.objects.get(role="agent")
    assert answer == {
        "id": str(stored.pk),
        "turn_id": str(turn.pk),
        "seq": 2,
        "role": "agent",
        "agent_key": "ana",
        "agent_name": "Ana",
        "purpose": "reply",
        "round": 1,
        "model": "test-model",
        "text": "answer",
        "files": [],
        "status": "complete",
        "created_at": stored.created_at.isoformat().replace("+00:00", "Z"),
    }
    assert (question["role"], question["text"], question["seq"]) == ("user", "question 1", 1)
    nobody = ("agent_key", "agent_name", "purpose", "round", "model")
    assert [question[name] for name in nobody] == [None] * 5


def test_goes_back_page_by_page(api: Api, session: ChatSession) -> None:
    for _ in range(3):
        say(session, "answer")
    page = api.get(f"sessions/{session.pk}/messages?limit=2").json()
    assert seqs(page) == [6, 5]
    seen = seqs(page)
    while page["next"]:
        say(session)  # what is said meanwhile moves no page
        page = api.get(page["next"].partition("/api/v1/")[2]).json()
        seen += seqs(page)
    assert seen == [6, 5, 4, 3, 2, 1]


def test_a_full_last_page_is_the_last(api: Api, session: ChatSession) -> None:
    say(session, "answer")
    page = api.get(f"sessions/{session.pk}/messages?limit=2").json()
    assert (seqs(page), page["next"]) == ([2, 1], None)


@pytest.mark.parametrize(
    ("before", "expected"), [(1, []), (2, [1]), (4, [3, 2, 1]), (2**31 - 1, [4, 3, 2, 1])]
)
def test_before_seq(api: Api, session: ChatSession, before: int, expected: list[int]) -> None:
    say(session, "answer")
    say(session, "answer")
    assert seqs(api.get(f"sessions/{session.pk}/messages?before_seq={before}").json()) == expected


def test_50_at_first_200_at_most(api: Api, session: ChatSession) -> None:
    say(session, *["answer"] * 210)
    assert seqs(api.get(f"sessions/{session.pk}/messages").json()) == list(range(211, 161, -1))
    page = api.get(f"sessions/{session.pk}/messages?limit=200").json()
    assert len(page["results"]) == 200
    assert "limit=200" in page["next"]


@pytest.mark.parametrize("parameter", ["limit", "before_seq"])
@pytest.mark.parametrize("value", ["0", "-1", "", "ten", "1.5", "٣", "9" * 5000, "2147483648", "%00"])
def test_another_number_is_400(api: Api, session: ChatSession, parameter: str, value: str) -> None:
    response = api.get(f"sessions/{session.pk}/messages", data={parameter: value})
    error = refused(response, 400, "invalid_parameter")
    assert error["details"] == {"parameter": parameter}


def test_a_limit_above_200_is_400(api: Api, session: ChatSession) -> None:
    refused(api.get(f"sessions/{session.pk}/messages?limit=201"), 400, "invalid_parameter")


def test_replaced_turns_are_versions(api: Api, session: ChatSession) -> None:
    first = say(session, "first version")
    say(session, "second version", replaces=first)
    path = f"sessions/{session.pk}/messages"
    assert seqs(api.get(path).json()) == [4, 3]
    for text in ("false", "False", "0"):
        assert seqs(api.get(f"{path}?all_versions={text}").json()) == [4, 3]
    for text in ("true", "True", "1"):
        assert seqs(api.get(f"{path}?all_versions={text}").json()) == [4, 3, 2, 1]
    following = api.get(f"{path}?all_versions=true&limit=3").json()["next"]
    assert seqs(api.get(following.partition("/api/v1/")[2]).json()) == [1]


def test_a_turn_replaced_twice_is_shown_once(api: Api, session: ChatSession) -> None:
    first = say(session, "first version")
    say(session, "second version", replaces=first)
    say(session, "third version", replaces=first)
    assert seqs(api.get(f"sessions/{session.pk}/messages?all_versions=1").json()) == [6, 5, 4, 3, 2, 1]


@pytest.mark.parametrize("text", ["", "yes", "null", "%00"])
def test_another_flag_is_400(api: Api, session: ChatSession, text: str) -> None:
    error = refused(
        api.get(f"sessions/{session.pk}/messages", data={"all_versions": text}), 400, "invalid_parameter"
    )
    assert error["details"] == {"parameter": "all_versions"}


def test_each_session_has_its_own(api: Api, alice: User, session: ChatSession) -> None:
    say(session, "answer")
    other = make_session(alice, make_room(alice))
    assert api.get(f"sessions/{other.pk}/messages").json()["results"] == []


def test_takes_as_many_queries_for_many_as_for_one(
    api: Api, session: ChatSession, django_assert_num_queries
) -> None:
    say(session, "answer")
    path = f"sessions/{session.pk}/messages"
    api.get(path)
    with django_assert_num_queries(4):  # the token, the session, the sizes, the messages
        api.get(path)
    for _ in range(5):
        say(session, "answer", "answer")
    with django_assert_num_queries(4):
        assert len(api.get(path).json()["results"]) == 17


def test_a_page_of_long_messages_ends_early(api: Api, session: ChatSession, monkeypatch: Any) -> None:
    monkeypatch.setattr(sized_pages, "MAX_PAGE_CHARS", 250)
    for _ in range(3):
        say(session, "x" * 100)
    read, url = [], f"sessions/{session.pk}/messages"
    while url:
        page = api.get(url.partition("/api/v1/")[2] or url).json()
        assert sum(len(message["text"]) for message in page["results"]) <= 250
        read += seqs(page)
        url = page["next"]
    assert read == [6, 5, 4, 3, 2, 1]
