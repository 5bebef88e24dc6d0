"""The search page: results, highlighting and links."""

from __future__ import annotations

import re
import uuid

import pytest
from django.db import connection
from django.urls import reverse

from accounts.tests.support.admin_site import static_files_as_they_are
from sessions.models import ChatSession, Message
from sessions.pages.search import RESULTS_PER_PAGE, mark_matches
from sessions.selectors.search_terms import Terms, match_spans, snippet
from sessions.tests.factories import make_agent, make_model, make_room, make_session
from sessions.tests.support.pages import add_turns, assert_leads_to_sign_in, browser, text_of

__all__ = ["static_files_as_they_are"]

LIMITING = 4 * (connection.vendor == "postgresql")
"""Statements that limit the time of others: they set the limit and reset it, between savepoints."""

pytestmark = pytest.mark.django_db
SEARCH = reverse("search")


@pytest.fixture
def session(alice):
    room = make_room(alice, make_agent(alice, "ana"), name="Harbour board")
    session = make_session(alice, room)
    ChatSession.objects.filter(pk=session.pk).update(title="The corner shop")
    return session


def found(user, query: str, **parameters: str) -> str:
    """Return the page without its sidebar."""
    response = browser(user).get(SEARCH, {"q": query, **parameters})
    assert response.status_code == 200
    return text_of(response).partition("</nav>")[2]


def links(page: str) -> list[str]:
    return re.findall(r'find" href="([^"]+)"', page)


def message_links(page: str) -> list[str]:
    return [link for link in links(page) if "#" in link]


def address(session: ChatSession, query: str = "") -> str:
    return reverse("session", args=[session.pk]) + query


def test_signed_out_people_are_asked_to_sign_in(client):
    assert_leads_to_sign_in(client.get(SEARCH, {"q": "shop"}))


def test_before_a_query_the_page_says_what_is_searched(alice):
    page = text_of(browser(alice).get(SEARCH))
    assert "Searches all messages, session titles and names of files" in page
    assert "No results" not in page


def test_messages_and_titles_say_where_and_who(alice, session):
    (turn,) = add_turns(session, make_model(), 1)
    _, answer = turn.messages.order_by("seq")
    Message.objects.filter(pk=answer.pk).update(text="Rent the corner.")
    page = found(alice, "CORNER")
    assert links(page) == [
        address(session),
        f"{address(session)}?turn={turn.pk}#message-{answer.pk}",
    ]
    assert "Rent the <mark>corner</mark>." in page
    assert "The <mark>corner</mark> shop" in page
    assert "Agent-1 <code>@agent-1</code>" in page
    assert "Harbour board" in page
    page = found(alice, "question")
    assert links(page) == [address(session), f"{address(session)}?turn={turn.pk}#turn-{turn.pk}"]
    assert ">You<" in page


def test_a_stranger_finds_nothing(bob, session):
    add_turns(session, make_model(), 1)
    for query in ("corner", "question", "answer"):
        page = found(bob, query)
        assert "No results." in page
        assert str(session.pk) not in page


def test_hostile_text_stays_text(alice, session):
    (turn,) = add_turns(session, make_model(), 1)
    text = "<script>alert(1)</script> \u202eneedle</mark><img src=x onerror=alert(2)>"
    turn.messages.filter(role="user").update(text=text)
    ChatSession.objects.update(title="<b>needle</b>")
    page = found(alice, "needle")
    assert "&lt;b&gt;<mark>needle</mark>&lt;/b&gt;" in page
    assert "<mark>needle</mark>&lt;/mark&gt;&lt;img" in page
    assert "<script>alert" not in page
    assert "\u202e" not in page
    page = found(alice, '"><script>alert(3)</script>')
    assert "<script>alert" not in page


@pytest.mark.parametrize(
    ("query", "said"),
    [("nowhere", "No results."), ("-corner", "Add a word"), ("?!", "Add a word")],
)
def test_nothing_found_says_why(alice, session, query, said):
    page = found(alice, query)
    assert said in page
    assert not links(page)


@pytest.mark.parametrize("query", ["q=" + "x" * 201, "q=a%00b", "q=a&cursor=nonsense"])
def test_an_invalid_query_is_refused(alice, query):
    assert browser(alice).get(f"{SEARCH}?{query}").status_code == 400


def test_older_results_are_a_page_away(alice, session):
    add_turns(session, make_model(), RESULTS_PER_PAGE + 3)
    first = found(alice, "question")
    assert len(message_links(first)) == RESULTS_PER_PAGE
    assert "Newest results" not in first
    older = re.search(r'href="\?q=question&amp;cursor=([^"]+)" rel="next"', first)
    assert older
    second = found(alice, "question", cursor=older[1].replace("%3D", "="))
    assert len(message_links(second)) == 3
    assert not set(message_links(first)) & set(message_links(second))
    assert 'rel="next"' not in second
    assert "Newest results" in second


def test_many_results_take_as_many_queries_as_few(alice, session, django_assert_num_queries):
    client, model = browser(alice), make_model()
    add_turns(session, model, 1)
    # who is signed in (2), budgets, places of messages, of messages with files and of titles, the messages of the page,
    # rooms and agents, the sidebar's pins, sessions and rooms
    with django_assert_num_queries(12 + LIMITING):
        client.get(SEARCH, {"q": "question"})
    for number in range(5):
        room = make_room(alice, make_agent(alice, f"a{number}"), name=f"Room {number}")
        add_turns(make_session(alice, room), model, 2)
    with django_assert_num_queries(12 + LIMITING):
        assert "Room 4" in text_of(client.get(SEARCH, {"q": "question"}))


def test_a_find_leads_to_the_page_that_has_it(alice, bob, session):
    client = browser(alice)
    turns = add_turns(session, make_model(), 60)

    def leads(turn_id: object) -> str:
        response = client.get(address(session), {"turn": str(turn_id)})
        assert response.status_code == 302
        return str(response["Location"])

    newest = re.findall(r'data-turn="([^"]+)"', text_of(client.get(address(session))))
    assert str(turns[0].pk) not in newest
    for index, turn in enumerate(turns, start=1):
        shown = leads(turn.pk)
        assert shown == address(session, "" if str(turn.pk) in newest else f"?before={index + 1}")
    assert f'data-turn="{turns[0].pk}"' in text_of(client.get(leads(turns[0].pk)))
    turns[1].replaces = turns[0]
    turns[1].save()
    assert leads(turns[0].pk) == address(session, f"?version={turns[0].pk}")
    assert f'data-turn="{turns[0].pk}"' in text_of(client.get(leads(turns[0].pk)))
    turns[2].mode, turns[2].index = "summary", None
    turns[2].save()
    assert leads(turns[2].pk) == address(session)
    another = make_session(alice, session.room)
    assert client.get(address(another), {"turn": str(turns[0].pk)}).status_code == 404
    for turn_id in ("x", uuid.uuid4()):
        assert client.get(address(session), {"turn": str(turn_id)}).status_code == 404
    assert browser(bob).get(address(session), {"turn": str(turns[0].pk)}).status_code == 404


@pytest.mark.parametrize(
    ("text", "terms", "shown"),
    [
        ("a workshop, a shop", ("shop",), "a workshop, a [shop]"),
        ("a workshop", ("shop",), "a work[shop]"),
        ("Corner,\nshop", ("corner shop",), "[Corner,\nshop]"),
        ("one two", ("one two", "two"), "[one two]"),
        ("GRÜSSE, grüße", ("grüße",), "[GRÜSSE], [grüße]"),
        ("Cafe\u0301s im Café", ("cafe",), "Cafe\u0301s im [Café]"),
        ("这是测试句子", ("测试",), "这是[测试]句子"),
        ("a (b) c", ("(b)",), "a ([b]) c"),
        ("nothing", ("else",), "nothing"),
    ],
)
def test_what_was_found_is_marked(text, terms, shown):
    pieces = mark_matches(text, Terms(terms))
    assert "".join(f"[{piece.text}]" if piece.hit else piece.text for piece in pieces) == shown


def test_a_snippet_begins_with_a_word_before_what_is_marked_in_it():
    terms = Terms(("shop",))
    piece = snippet("workshop " * 40 + "a shop here", terms)
    assert piece.startswith("…workshop")
    assert piece[slice(*match_spans(piece, terms)[0])] == "shop"
    assert piece.endswith("a shop here")
