"""The server-rendered conversation."""

from __future__ import annotations

import re
import uuid

import pytest
from django.urls import reverse

from accounts.tests.support.admin_site import static_files_as_they_are
from orchestration.tests.providers import Answer, OpenAIServer
from sessions.models import ChatSession
from sessions.pages.answers import duration
from sessions.services.turn_accept import turn_accept
from sessions.services.turn_request import TurnRequest
from sessions.tests.conftest import Api
from sessions.tests.factories import make_agent, make_model, make_room, make_session
from sessions.tests.support.pages import add_turns, assert_leads_to_sign_in, browser, text_of

__all__ = ["static_files_as_they_are"]

pytestmark = pytest.mark.django_db
runs_turns = pytest.mark.django_db(transaction=True)


@pytest.fixture
def session(alice, openai_model):
    agents = [make_agent(alice, key, openai_model) for key in ("ana", "ben")]
    return make_session(alice, make_room(alice, *agents, goal="Think."))


def url(name: str, session: ChatSession, *args: object) -> str:
    return reverse(name, args=[session.pk, *args])


def ask(api: Api, session: ChatSession, message: str) -> dict:
    turn: dict = api.post(f"sessions/{session.pk}/turns", {"message": message}).json()
    return turn


def states(page: str) -> list[str]:
    """Return the states of the lanes, but for the one that scripts copy."""
    return [state for state in re.findall(r'data-state="(\w*)"', page) if state]


def test_signed_out_people_are_asked_to_sign_in(client, session):
    for name in ("session", "session-older"):
        assert_leads_to_sign_in(client.get(url(name, session)))
    assert_leads_to_sign_in(client.get(url("session-turn", session, uuid.uuid4())))
    for name in ("session-rename", "session-delete"):
        assert_leads_to_sign_in(client.post(url(name, session)))


def test_to_strangers_a_session_does_not_exist(session, bob):
    (turn,) = add_turns(session, make_model(), 1)
    client = browser(bob)
    for path in (
        url("session", session),
        url("session-older", session),
        url("session-turn", session, turn.pk),
    ):
        assert client.get(path).status_code == 404
    for name in ("session-rename", "session-delete"):
        assert client.post(url(name, session), {"title": "Mine"}).status_code == 404
    assert ChatSession.objects.alive().get().title == ""


def test_a_new_session_shows_the_council_and_the_composer(alice, session):
    page = text_of(browser(alice).get(url("session", session)))
    assert 'data-last-index="0"' in page
    assert 'data-tag="ana"' in page
    assert 'data-tag="all"' in page
    assert 'data-agent-model="gpt-test"' in page
    assert "Think." in page
    assert states(page) == []


def test_nothing_on_the_page_needs_a_looser_policy(alice, session):
    response = browser(alice).get(url("session", session))
    policy = response["Content-Security-Policy"]
    assert "unsafe" not in policy
    page = text_of(response)
    assert not re.search(r"<script(?![^>]*\bsrc=)", page)
    assert not re.search(r"\s(style|on\w+)=", page)
    assert "no-store" in response["Cache-Control"]


@runs_turns
def test_a_turn_shows_answers_models_and_costs(api: Api, alice, session, openai_server: OpenAIServer):
    openai_server.when("You are ana.", Answer("From **Ana**"))
    openai_server.when("You are ben.", Answer("From Ben"))
    turn = ask(api, session, "@all <b>why</b>?\nSay. @zed")
    page = text_of(browser(alice).get(url("session", session)))
    assert "@all &lt;b&gt;why&lt;/b&gt;?\nSay." in page
    assert "From <strong>Ana</strong>" in page
    assert "From Ben" in page
    assert states(page) == ["complete", "complete"]
    assert page.count('class="lanes"') == 1  # side by side
    assert "No agent in this room is called @zed." in page
    assert f'title="{turn["usage"]["cost_usd"]} USD"' in page
    assert 'data-last-index="1"' in page
    assert f'<h1 data-title-of="{session.pk}" data-titled>&lt;b&gt;why&lt;/b&gt;?</h1>' in page


@runs_turns
def test_the_sessions_of_a_room_are_listed_by_their_titles(api: Api, alice, session):
    ask(api, session, "@ana Should we rent the shop?")
    page = text_of(browser(alice).get(url("session", session)))
    sidebar = page[page.index("data-session-list") :]
    assert ">Should we rent the shop?</span>" in sidebar
    assert f"session {session.pk}" not in page


@runs_turns
def test_an_answer_shows_its_time_and_can_be_copied_and_retried(
    api: Api, alice, session, openai_server: OpenAIServer
):
    ask(api, session, "@all why?")
    page = text_of(browser(alice).get(url("session", session))).split("<template")[0]
    assert len(re.findall(r'class="lane-time">\d[\d.]* m?s<', page)) == 2
    assert page.count("data-copy-answer") == 2
    assert page.count('data-action="edit"') == 1
    assert page.count("data-retry-open") == 2


@pytest.mark.parametrize(
    ("ms", "said"),
    [
        (0, "0 ms"),
        (99, "99 ms"),
        (100, "0.1 s"),
        (3_249, "3.2 s"),
        (9_949, "9.9 s"),
        (9_950, "10 s"),
        (59_499, "59 s"),
        (59_500, "1 min 0 s"),
        (125_000, "2 min 5 s"),
    ],
)
def test_a_time_is_formatted_for_people(ms: int, said: str):
    assert duration(ms) == said


@runs_turns
def test_an_agent_that_failed_says_what_happened(api: Api, alice, session, openai_server: OpenAIServer):
    openai_server.when("You are ana.", Answer(status=401))
    openai_server.when("You are ben.", Answer("From Ben"))
    turn = ask(api, session, "@all why?")
    assert turn["status"] == "partial"
    error = next(step["error"]["message"] for step in turn["steps"] if step["error"])
    page = text_of(browser(alice).get(url("session", session)))
    assert states(page) == ["failed", "complete"]  # in the order in which they were asked
    assert "Some agents failed" in page
    assert error.replace("'", "&#x27;").replace('"', "&quot;") in page


@runs_turns
def test_hostile_answers_are_harmless(api: Api, alice, session, openai_server: OpenAIServer):
    openai_server.queue(
        Answer(
            "<script>alert(1)</script><img src=x onerror=alert(1)> [x](javascript:alert(1)) \u202e{{ 7|add:7 }}"
        )
    )
    ask(api, session, "@ana </textarea><script>alert(2)</script>")
    page = text_of(browser(alice).get(url("session", session)))
    assert "<script>alert" not in page
    assert "<img" not in page
    assert 'href="javascript' not in page
    assert "\u202e" not in page
    assert "{{ 7|add:7 }}" in page


@pytest.mark.usefixtures("nobody_runs")
def test_a_running_turn_is_there_to_be_taken_up(alice, session):
    turn = turn_accept(user=alice, session=session, request=TurnRequest(message="@ana go"))
    page = text_of(browser(alice).get(url("session", session)))
    assert f'data-turn="{turn.pk}" data-index="1" data-mode="manual" data-status="queued"' in page
    assert states(page) == []


def test_a_turn_without_a_price_says_so(alice, session):
    add_turns(session, make_model(), 1)
    page = text_of(browser(alice).get(url("session", session)))
    assert "Turn unpriced" in page


def test_a_turn_is_a_piece_of_its_own(alice, session):
    (turn,) = add_turns(session, make_model(), 1, answers=2)
    client = browser(alice)
    page = text_of(client.get(url("session-turn", session, turn.pk)))
    assert page.lstrip().startswith("<section")
    assert states(page) == ["complete", "complete"]
    other = make_session(alice, session.room)
    assert client.get(url("session-turn", other, turn.pk)).status_code == 404
    assert client.get(url("session-turn", session, "none")).status_code == 404


def test_long_sessions_come_a_page_at_a_time(alice, session):
    add_turns(session, make_model(), 60, answers=2)
    client = browser(alice)
    page = text_of(client.get(url("session", session)))
    shown = [int(index) for index in re.findall(r'data-index="(\d+)"', page)]
    assert shown == list(range(54, 61))  # 20 messages, and the turn they begin in whole
    assert 'data-last-index="60"' in page
    assert 'data-newest-index="53"' in page  # of those that are not on the page
    seen: list[int] = []
    before = re.search(r'data-older-url="([^"]+)"', page)
    while before is not None:
        piece = text_of(client.get(before[1]))
        seen = [int(index) for index in re.findall(r'data-index="(\d+)"', piece)] + seen
        before = re.search(r'data-older-url="([^"]+)"', piece)
    assert seen == list(range(1, 54))


def test_without_scripts_older_messages_are_a_page(alice, session):
    add_turns(session, make_model(), 3)
    page = text_of(browser(alice).get(url("session", session), {"before": 3}))
    assert "Question 2." in page
    assert "Question 3." not in page
    assert "You are reading older messages" in page
    assert "data-composer" not in page
    assert 'data-action="edit"' not in page.split("<template")[0]


@pytest.mark.parametrize("before", ["x", "-1", "1" * 30, "²"])
def test_a_malformed_place_is_refused(alice, session, before):
    assert browser(alice).get(url("session", session), {"before": before}).status_code == 400


def test_a_conversation_takes_as_many_queries_for_many_turns_as_for_few(
    alice, session, django_assert_num_queries
):
    client, model = browser(alice), make_model()
    add_turns(session, model, 10)  # 20 messages
    # who is signed in (2), session, where the page begins, turns, messages, calls, bill, versions, agents, total,
    # the summary, whether one is being made, the default model (2), the sidebar's pins, sessions and
    # rooms
    with django_assert_num_queries(19):
        client.get(url("session", session))
    other = make_session(alice, session.room)
    add_turns(other, model, 1_000)  # 2,000 messages
    for name in ("session", "session-older"):
        expected = 19 if name == "session" else 9
        with django_assert_num_queries(expected):
            client.get(url(name, other))


def test_a_chat_with_one_agent_needs_no_tags(alice):
    agent = make_agent(alice, "solo", make_model())
    page = text_of(browser(alice).get(url("session", make_session(alice, agent))))
    assert "Message Solo" in page
    assert "data-tag" not in page


def test_a_chat_outlives_its_agent(alice):
    agent = make_agent(alice, "solo", make_model())
    session = make_session(alice, agent)
    client = browser(alice)
    client.post(reverse("agent-delete", args=[agent.pk]))
    page = text_of(client.get(url("session", session)))
    assert "This agent was deleted" in page
    assert reverse("agent-chat", args=[agent.pk]) not in page


def test_a_session_is_renamed(alice, session):
    client = browser(alice)
    assert client.post(url("session-rename", session), {"title": " Bakery "})["Location"] == url(
        "session", session
    )
    session.refresh_from_db()
    assert session.title == "Bakery"
    for title in ("x" * 201, "a\x00b"):
        assert client.post(url("session-rename", session), {"title": title}).status_code == 422


def test_a_session_is_deleted(alice, session):
    client = browser(alice)
    assert client.post(url("session-delete", session))["Location"] == reverse("room", args=[session.room.pk])
    assert client.get(url("session", session)).status_code == 404
    agent = make_agent(alice, "solo")
    assert client.post(url("session-delete", make_session(alice, agent)))["Location"] == reverse("home")


@runs_turns
def test_a_turn_shows_that_one_of_its_calls_has_no_price(api, alice, session, openai_server):
    turn = ask(api, session, "@ana hello")
    page = text_of(browser(alice).get(url("session-turn", session, turn["id"])))
    assert "data-turn-unpriced hidden" in page
    free = make_agent(alice, "cy", make_model(openai_server, "unpriced-test", priced=False))
    mixed = make_session(alice, make_room(alice, session.room.agents.get(key="ana"), free))
    turn = ask(api, mixed, "@all hello")
    page = text_of(browser(alice).get(url("session-turn", mixed, turn["id"])))
    assert re.search(r">Turn <data [^>]+>\$0\.\d+</data></span><span data-turn-unpriced>\+ unpriced<", page)
    turn = ask(api, mixed, "@cy hello")
    page = text_of(browser(alice).get(url("session-turn", mixed, turn["id"])))
    assert re.search(r">Turn unpriced</span><span data-turn-unpriced hidden>", page)


@runs_turns
@pytest.mark.parametrize(
    ("reason", "note", "status"),
    [
        ("length", "Cut off at max output tokens.", "ok · length limit"),
        ("content_filter", "Blocked by the provider’s content filter.", "ok · filtered"),
        ("stop", "", "ok"),
    ],
)
def test_an_answer_that_ended_early_says_so(
    api, alice, session, openai_server, reason: str, note: str, status: str
):
    openai_server.default = Answer("As I was", finish_reason=reason)
    ask(api, session, "@ana speak")
    page = text_of(browser(alice).get(url("session", session)))
    assert re.findall('class="lane-cut" data-cut>(.*?)<', page) == [note] * bool(note)
    assert f"<td>{status}</td>" in page
