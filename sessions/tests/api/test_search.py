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
from sessions.tests.factories import make_agent, make_room, make_session

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
        ("GRUSSE", {"two"}),
        ("hop", {"one", "two"}),
    ],
)
def test_all_terms_must_be_there(api, alice, agent, query, found) -> None:
    say(alice, agent, "one corner shop", "two shop in the rain, grüße")
    assert {result["snippet"].split()[0] for result in find(api, query)} == found


@pytest.mark.parametrize(
    ("text", "queries"),
    [
        ("Die Straße", ("STRASSE", "straße", "strasse")),
        ("im café", ("CAFE", "café", "Cafe\u0301", "caf")),
        ("Der Ärger war groß", ("ärger", "ARGER", "gross")),
        ("这是一个测试句子", ("测试", "试", "一个测试句子")),
        ("日本語のテスト", ("テスト", "語の", "ﾃｽﾄ")),
        ("これは東京タワーの写真です", ("東京", "京タ", "写真")),
        ("한국어테스트입니다", ("테스트", "한국", "\u1112\u1161\u11ab국")),
        ("the cornershop", ("corner", "SHOP", "ershop")),
        ("**Rent** the [corner](https://example.com/x), now", ('"rent the corner"', "example.com")),
        ("100% off in C++ and C#", ("100%", "c++", "C#")),
        ("under_score foo_bar()", ("foo_bar", '"foo bar"')),
        ("Ελλάς", ("ελλασ",)),
        ("İstanbul ışık", ("istanbul", "ISIK")),
        ("हिन्दी", ("हिन्दी",)),
    ],
)
def test_case_accents_and_word_borders_do_not_matter(api, alice, agent, text, queries) -> None:
    say(alice, agent, text, "something else", title="Other")
    assert {query: len(find(api, query)) for query in queries} == dict.fromkeys(queries, 1)


@pytest.mark.parametrize(
    ("text", "query"),
    [("いちご", "いちこ"), ("하늘", "흐"), ("C and D", "c++"), ("10%", "1%0"), ("हिन्दी", "हन्द")],
)
def test_other_letters_are_not_found(api, alice, agent, text, query) -> None:
    say(alice, agent, text)
    assert find(api, query) == []


def test_results_of_a_session_stand_together(api, alice, agent) -> None:
    first, second = say(alice, agent, "needle one"), say(alice, agent, "needle two")
    for session, index in ((first, 2), (second, 2), (first, 3)):
        turn = Turn.objects.create(
            session=session,
            user=alice,
            index=index,
            mode="direct",
            status="failed",
            completed_at=session.created_at,
        )
        Message.objects.create(session=session, turn=turn, seq=index, role="user", text="needle again")
    assert [(result["session_id"], result["seq"]) for result in find(api, "needle")] == [
        *((str(first.pk), seq) for seq in (3, 2, 1)),
        *((str(second.pk), seq) for seq in (2, 1)),
    ]


def test_filters_narrow_a_search(api, alice, bob, agent, openai_model) -> None:
    room = make_room(alice, agent)
    in_room, alone = say(alice, room, "needle in a room"), say(alice, agent, "needle alone")
    Message.objects.filter(session=in_room).update(created_at="2026-01-02T23:59:59Z")

    def sessions(**filters: Any) -> set[str]:
        return {result["session_id"] for result in find(api, "needle", **filters)}

    assert sessions(room=str(room.pk)) == {str(in_room.pk)}
    assert sessions(agent=str(agent.pk)) == {str(alone.pk)}
    Message.objects.filter(session=in_room).update(agent_id=agent.pk)
    assert sessions(agent=str(agent.pk)) == {str(alone.pk), str(in_room.pk)}
    assert sessions(to="2026-01-02") == sessions(**{"from": "2026-01-02", "to": "2026-01-02"})
    assert sessions(to="2026-01-02") == {str(in_room.pk)}
    assert sessions(**{"from": "2026-01-03"}) == {str(alone.pk)}
    his = make_agent(bob, "his", openai_model)
    for other in (f"agent={his.pk}", f"room={make_room(bob, his).pk}", "room=x"):
        refused(api.get(f"search?q=needle&{other}"), 404, "not_found")
    for day in ("from=2026-13-01", "to=tomorrow", "to=9999-12-31"):
        refused(api.get(f"search?q=needle&{day}"), 400, "invalid_parameter")


def test_snippets_are_of_rendered_text(api, alice, agent) -> None:
    text = "# Plan\n\n| a | b |\n|---|---|\n| **needle** | `x_y` & <i> |\n\n```python\nprint(1)\n```\n"
    session = say(alice, agent, text)
    assert [result["snippet"][:12] for result in find(api, "needle")] == ["# Plan | a |"]
    Message.objects.filter(session=session).update(role="agent")
    assert [result["snippet"] for result in find(api, "needle")] == ["Plan a b needle x_y & <i> print(1)"]


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


def test_a_page_of_long_messages_ends_early_and_the_next_one_goes_on(api, alice, agent, monkeypatch) -> None:
    monkeypatch.setattr("sessions.selectors.search.MAX_PAGE_CHARS", 250)
    say(alice, agent, *(f"{number} needle " + "x" * 90 for number in range(5)))
    seqs, address = [], "/api/v1/search?q=needle&limit=200"
    while address:
        page = api.client.get(address).json()
        assert 1 <= len(page["results"]) <= 2
        seqs += [result["seq"] for result in page["results"]]
        address = page["next"]
    assert seqs == [5, 4, 3, 2, 1]


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


@pytest.mark.parametrize(("model", "index"), [(Message, "message_search"), (ChatSession, "session_search")])
def test_postgresql_reads_the_index(model, index) -> None:
    if connection.vendor != "postgresql":
        pytest.skip("SQLite compares texts")
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
    plan = filter_matching(model.objects.order_by(), Terms(("needle",))).explain()
    assert index in plan


def test_terms() -> None:
    assert parse_terms('a "b c" -d -"e f" - "" "g') == Terms(("a", "b c", "g"), ("d", "e f"))
    assert parse_terms('-- ""') == Terms(())


def test_a_snippet_is_one_line() -> None:
    assert snippet("one\n\ntwo  three", Terms(("two",))) == "one two three"
    assert snippet("a (b) c", Terms(("(b)",))) == "a (b) c"


def test_a_search_that_takes_too_long_is_stopped(api, alice, agent, monkeypatch) -> None:
    """Each text takes the product of its length and that of the word."""
    say(alice, agent, *[("a" * 189 + " b ") * 100] * 300)
    query = "a" * 190 + "b"
    assert find(api, query) == []
    monkeypatch.setattr("sessions.selectors.search.MAX_SECONDS", 0.001)
    error = refused(api.get(f"search?q={query}"), 400, "invalid_parameter")
    assert "takes too long" in error["message"]
    monkeypatch.undo()
    assert find(api, query) == []
