"""Search time is bounded for all queries and messages, counted in steps."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from accounts.tests.support.admin_site import static_files_as_they_are
from sessions.models import Message
from sessions.search_text import SEARCHED_CHARS, fold
from sessions.selectors.search import MAX_QUERY_CHARS, filter_matching
from sessions.selectors.search_terms import (
    MAX_TERMS,
    Terms,
    match_spans,
    parse_terms,
    snippet,
)
from sessions.tests.api.test_search import find, say
from sessions.tests.factories import make_agent
from sessions.tests.support.work import calls_of

__all__ = ["static_files_as_they_are"]

CALLS_PER_TEXT = 5_000
"""For a message that is found, however long it is and however often it has the terms."""

PIECES = ("a", "b", "ab", "_", " ", "-", '"', "İ", "ß", "é", "\n", "a ", "a_", "b-a", '"a b"', "-b ", "aa ")
words = st.lists(st.sampled_from(PIECES), min_size=1, max_size=6).map("".join)


@settings(max_examples=60, deadline=None, derandomize=True, phases=(Phase.explicit, Phase.generate))
@given(words, words, st.integers(1, 100))
def test_a_snippet_takes_bounded_work(piece: str, asked: str, times: int) -> None:
    text = (piece * SEARCHED_CHARS)[:SEARCHED_CHARS]
    terms = parse_terms((asked * times)[:MAX_QUERY_CHARS])
    match_spans("", terms)  # the patterns are compiled once
    assert calls_of(lambda: match_spans(snippet(text, terms), terms)) < CALLS_PER_TEXT


@given(st.text())
def test_folding_again_changes_nothing(text: str) -> None:
    assert fold(fold(text)) == fold(text)


@pytest.mark.parametrize("text", ["\u0301\u0323" * 50_000, "か\u3099" * 50_000, "\ufdfa" * 100_000])
def test_folding_is_bounded(text: str) -> None:
    folded: list[str] = []
    assert calls_of(lambda: folded.append(fold(text))) < 300_000
    assert len(folded[0]) <= SEARCHED_CHARS


def test_terms_are_searched_once_and_boundedly() -> None:
    assert parse_terms("a A a -b -B") == Terms(("a",), ("b",))
    many = parse_terms(" ".join(f"w{number}" for number in range(MAX_TERMS + 5)))
    assert many == Terms(tuple(f"w{number}" for number in range(MAX_TERMS)), more=True)
    assert not parse_terms("a " * 100).more


def test_a_snippet_shows_a_hit_wherever_it_is() -> None:
    text = "x " * (SEARCHED_CHARS // 2 - 10) + "needle " + "y " * SEARCHED_CHARS
    assert "needle" in snippet(text, Terms(("needle",)))
    assert "needle" in snippet("İ" * 1_000 + " needle", Terms(("NEEDLE",)))
    assert "a shop" in snippet("workshop " * 40 + "a shop", Terms(("shop",)))


@pytest.mark.django_db
@pytest.mark.usefixtures("nobody_runs")
class TestStored:
    """On the database, with as long messages as there are."""

    @pytest.fixture
    def agent(self, alice: Any, openai_model: Any) -> Any:
        return make_agent(alice, "ana", openai_model)

    @pytest.mark.parametrize(
        ("text", "query", "found"),
        [
            ("a " * 50_000, "a " * 100, 8),
            ("a" * 100_000, "a" * 99 + "b" + "a" * 99, 0),
            ("a " * 50_000, '"' + "a " * 98 + 'b"', 0),
            ("a_" * 50_000, '"a a"', None),
            ("~/" * 50_000, "a", 0),
            ("<!--" * 25_000, "a", 0),
        ],
        ids=["one letter", "nearly", "nearly a phrase", "signs", "paths", "comments"],
    )
    def test_a_search_of_long_messages(
        self, api: Any, alice: Any, agent: Any, text: str, query: str, found: int | None
    ) -> None:
        for _ in range(8):
            say(alice, agent, text)
        results: list[Any] = []
        calls = calls_of(lambda: results.extend(find(api, query[:MAX_QUERY_CHARS], limit=200)))
        assert calls < 200_000
        assert found is None or len(results) == found

    def test_a_long_text_of_signs_is_stored_as_fast_as_another(self, alice: Any, agent: Any) -> None:
        """PostgreSQL's parser of words takes hours for it."""
        if connection.vendor == "postgresql":
            with connection.cursor() as cursor:
                cursor.execute("SET LOCAL statement_timeout = '20s'")
        say(alice, agent, "a_" * 50_000 + " needle", "foo_bar-baz.example/needle2")
        assert filter_matching(Message.objects.all(), Terms(("needle2",))).count() == 1
        assert filter_matching(Message.objects.all(), Terms(("foo_bar",))).count() == 1

    def test_only_the_texts_of_the_page_are_read(self, api: Any, alice: Any, agent: Any) -> None:
        """A sort of whole texts goes to disk: 7,000 matching messages of 100 kB wrote 700 MB."""
        for _ in range(4):
            say(alice, agent, "needle " * 2, title="The needle")
        with CaptureQueriesContext(connection) as statements:
            shown = find(api, "needle", limit=3)
        searches = [each["sql"] for each in statements if "chat_sessions_" in each["sql"]]
        selected = {sql: sql.partition(" FROM ")[0].lower() for sql in searches}
        sorts = [sql for sql in searches if "ORDER BY" in sql]
        assert len(sorts) == 3  # messages, sessions, files
        for sql in sorts:
            assert "LIMIT 4" in sql
            columns = re.findall(r'"\."(\w+)"', selected[sql])
            assert set(columns) == {"created_at", "id"}, selected[sql]
            assert "(" not in selected[sql]
        [texts] = [sql.replace("-", "") for sql in searches if '."text"' in selected[sql]]
        read = {pk for pk in Message.objects.values_list("pk", flat=True) if pk.hex in texts}
        assert {str(pk) for pk in read} == {each["message_id"] for each in shown if each["message_id"]}

    def test_goals_and_instructions_are_not_read(self, api: Any, alice: Any, agent: Any) -> None:
        say(alice, agent, "needle", title="The needle")
        with CaptureQueriesContext(connection) as statements:
            assert len(find(api, "needle")) == 2
        searches = [each["sql"] for each in statements if "chat_sessions_" in each["sql"]]
        assert not [sql for sql in searches if '"goal"' in sql or '"role_prompt"' in sql]

    def test_titles_of_signs_are_found(self, api: Any, alice: Any, agent: Any) -> None:
        say(alice, agent, title="a_" * 96 + "needle")
        say(alice, agent, title="foo_bar-baz.example/needle2")
        assert len(find(api, "needle -needle2")) == 1
        assert len(find(api, "needle2")) == 1

    def test_more_terms_than_are_used_are_reported(self, client: Any, alice: Any, agent: Any) -> None:
        say(alice, agent, " ".join(f"w{number}" for number in range(MAX_TERMS)))
        client.force_login(alice)
        asked = " ".join(f"w{number}" for number in range(MAX_TERMS + 1))
        page = client.get("/search", {"q": asked}).content.decode()
        assert f"Only the first {MAX_TERMS} terms are used." in page
        assert 'class="row row-link find"' in page
        assert "Only the first" not in client.get("/search", {"q": "w1"}).content.decode()
