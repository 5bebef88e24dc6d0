"""GET search: returns the user's own messages and titles, and never another user's."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection
from django.test import Client

from accounts.tests.support.clients import refused
from sessions.models import ChatSession, Message, Turn
from sessions.selectors.search import filter_matching
from sessions.selectors.search_terms import Terms, parse_terms, snippet
from sessions.services.chats import session_delete
from sessions.tests.factories import make_agent, make_session

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("nobody_runs")]


@pytest.fixture
def agent(alice, openai_model):
    return make_agent(alice, "ana", openai_model)


def say(owner: Any, place: Any, *texts: str, **fields: Any) -> ChatSession:
    """Make a session in which this was said; its title is something else."""
    session = make_session(owner, place)
    ChatSession.objects.filter(pk=session.pk).update(**{"title": "Something", **fields})
    for index, text in enumerate(texts, start=1):
        turn = Turn.objects.create(
            session=session,
            user=owner,
            index=index,
            mode="direct",
            status="failed",
            completed_at=session.created_at,
        )
        Message.objects.create(session=session, turn=turn, seq=index, role="user", text=text)
    return session


def find(api: Any, query: str, **parameters: Any) -> list[dict[str, Any]]:
    response = api.get("search", data={"q": query, **parameters})
    assert response.status_code == 200, response.content
    found: list[dict[str, Any]] = response.json()["results"]
    return found


def test_messages_and_titles_are_found_with_a_piece_of_them(api, alice, agent) -> None:
    session = say(
        alice, agent, "Before. " * 40 + "We rent the Corner shop. " + "After. " * 40, "Nothing here"
    )
    ChatSession.objects.filter(pk=session.pk).update(title="The corner again")
    message, title = sorted(find(api, "corner"), key=lambda result: result["kind"])
    assert (message["kind"], message["seq"], message["role"]) == ("message", 1, "user")
    assert message["session_id"] == title["session_id"] == str(session.pk)
    assert message["agent_id"] == str(agent.pk)
    assert "Corner shop" in message["snippet"]
    assert message["snippet"].startswith("…")
    assert message["snippet"].endswith("…")
    assert (title["kind"], title["turn_id"], title["snippet"]) == ("title", None, "The corner again")


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("shop", {"one", "two"}),
        ("SHOP rain", {"two"}),
        ('"corner shop"', {"one"}),
        ('"shop corner"', set()),
        ("shop -rain", {"one"}),
        ('shop -"in the rain"', {"one"}),
        ("shop nowhere", set()),
        ("grüße", {"two"}),
    ],
)
def test_all_terms_must_be_there(api, alice, agent, query, found) -> None:
    say(alice, agent, "one corner shop", "two shop in the rain, grüße")
    assert {result["snippet"].split()[0] for result in find(api, query)} == found


def test_other_users_and_unlisted_sessions_are_never_found(
    api, stranger, alice, bob, agent, openai_model
) -> None:
    his = make_agent(bob, "his", openai_model)
    say(bob, his, "secret of bob", title="secret")
    session_delete(session=say(alice, agent, "secret deleted"))
    say(alice, agent, "secret asked by a program", origin="api")
    assert find(api, "secret") == []
    assert {result["snippet"] for result in find(stranger, "secret")} == {"secret of bob", "secret"}


def test_earlier_versions_are_left_out(api, alice, agent) -> None:
    session = say(alice, agent, "the same question", "the same question")
    first, second = session.turns.order_by("index")
    second.replaces = first
    second.save()
    assert [result["turn_id"] for result in find(api, "question")] == [str(second.pk)]


def test_pages_have_everything_once_though_something_is_added(api, alice, agent) -> None:
    say(alice, agent, *(f"needle {number}" for number in range(7)))
    seen: list[str] = []
    address = "/api/v1/search?q=needle&limit=3"
    while address:
        page = api.client.get(address).json()
        seen += [result["message_id"] for result in page["results"]]
        address = page["next"]
        say(alice, agent, "needle added")
    assert len(seen) == len(set(seen)) == 7


@pytest.mark.parametrize(
    "query",
    [
        *(
            '"',
            '""',
            "'",
            "-",
            "--",
            "-a",
            "&",
            "|",
            "!",
            "a & b",
            "a | !b",
            "(",
            "a:*",
            "<->",
            "a <-> b",
            "%",
            "_",
        ),
        *(
            "\\",
            "\\'",
            "a\\",
            "'; DROP TABLE x; --",
            "*",
            "or",
            "a or",
            '"unclosed',
            "$$",
            "{}",
            "%s",
            "%(x)s",
        ),
        *("\U0001f600", "ａ", "x" * 200, "a " * 99, '"' * 200, "-" * 200, "\n", "\u202e", "é" * 200),
    ],
)
def test_hostile_queries_find_nothing_and_break_nothing(api, alice, agent, query) -> None:
    say(alice, agent, "an ordinary message about 100 things")
    response = api.get("search", data={"q": query})
    if query.strip():
        assert response.status_code == 200
    else:
        refused(response, 400, "invalid_parameter")


@pytest.mark.parametrize("query", ["q=", "", "q=%20", "q=" + "x" * 201, "q=a%00b", "q=%00", "q=%ED%A0%80%00"])
def test_an_invalid_query_is_reported(api, query) -> None:
    assert refused(api.client.get(f"/api/v1/search?{query}"), 400, "invalid_parameter")["details"] == {
        "parameter": "q"
    }


@pytest.mark.parametrize(
    "cursor",
    ["nonsense", "%00", "cD1ub25zZW5zZQ==", "MjAyNi0wMS0wMSBhYmM=", "é", "MjAyNi0wMS0wMVQwMDowMDowMCA="],
)
def test_an_invalid_cursor_is_refused(api, cursor) -> None:
    response = api.client.get(f"/api/v1/search?q=a&cursor={cursor}")
    assert refused(response, 400, "invalid_parameter")["details"] == {"parameter": "cursor"}


def test_who_may_search(anonymous, api_of, alice) -> None:
    refused(anonymous.get("search?q=a"), 401, "not_authenticated")
    refused(api_of(alice, "chat").get("search?q=a"), 403, "permission_denied")
    assert Client().get("/api/v1/search").status_code == 401


def test_long_answers_can_be_stored_and_their_beginning_is_found(api, alice, agent) -> None:
    """More different words than PostgreSQL keeps of one text."""
    say(alice, agent, f"needle {' '.join(f'w{number:x}' for number in range(400_000))}")
    say(alice, agent, "needle " + " ".join(chr(0x20000 + number) for number in range(40_000)))
    assert len(find(api, "needle")) == 2


@pytest.mark.parametrize(
    ("model", "field", "index"), [(Message, "text", "message_words"), (ChatSession, "title", "session_words")]
)
def test_postgresql_reads_the_index(model, field, index) -> None:
    if connection.vendor != "postgresql":
        pytest.skip("SQLite compares texts")
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
    plan = filter_matching(model.objects.order_by(), field, Terms(("needle",))).explain()
    assert index in plan


def test_terms() -> None:
    assert parse_terms('a "b c" -d -"e f" - "" "g') == Terms(("a", "b c", "g"), ("d", "e f"))
    assert parse_terms('-- ""') == Terms(())


def test_a_snippet_is_one_line() -> None:
    assert snippet("one\n\ntwo  three", Terms(("two",))) == "one two three"
    assert snippet("a (b) c", Terms(("(b)",))) == "a (b) c"
