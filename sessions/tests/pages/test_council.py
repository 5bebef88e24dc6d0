"""Server-rendered councils: routing, rounds, the synthesis, versions, receipts."""

from __future__ import annotations

import re

import pytest
from django.urls import reverse

from accounts.tests.support.admin_site import static_files_as_they_are
from orchestration.tests.providers import Answer, OpenAIServer
from sessions.dispatch import use_dispatcher
from sessions.live.runtime import runtime
from sessions.models import ChatSession, Room, Turn
from sessions.services.turn_accept import turn_accept
from sessions.services.turn_again import turn_retry
from sessions.services.turn_request import TurnRequest
from sessions.tests.conftest import Api
from sessions.tests.factories import make_agent, make_model, make_room, make_session
from sessions.tests.support.councils import EVALUATE, ROUTE, SYNTHESIZE, decision, says
from sessions.tests.support.pages import add_turns, assert_leads_to_sign_in, browser, text_of

__all__ = ["static_files_as_they_are"]

pytestmark = pytest.mark.django_db
runs_turns = pytest.mark.django_db(transaction=True)


@pytest.fixture
def room(alice, openai_model) -> Room:
    agents = [make_agent(alice, key, openai_model) for key in ("ana", "bob", "cy")]
    return make_room(alice, *agents, goal="Decide well.", mode="orchestrator")


@pytest.fixture
def session(alice, room) -> ChatSession:
    return make_session(alice, room)


def url(session: ChatSession) -> str:
    return reverse("session", args=[session.pk])


def ask(api: Api, session: ChatSession, message: str = "Shall we?", **fields: object) -> dict:
    turn: dict = api.post(f"sessions/{session.pk}/turns", {"message": message, **fields}).json()
    return turn


def page_of(alice, session: ChatSession) -> str:
    """The page without what scripts copy."""
    return re.sub(r"(?s)<template.*?</template>", "", text_of(browser(alice).get(url(session))))


def lanes(page: str) -> list[tuple[str, str]]:
    return re.findall(r'data-agent-key="(\w*)" data-purpose="(\w+)"', page)


@runs_turns
def test_a_led_turn_shows_who_was_asked_what_and_why(api, alice, session, openai_server: OpenAIServer):
    openai_server.when(
        ROUTE, Answer(decision(("bob", "Find the <risk>."), ("cy", ""), reason="Both \u202eknow."))
    )
    openai_server.when(SYNTHESIZE, Answer("Together: **go**."))
    ask(api, session)
    page = page_of(alice, session)
    assert "Round 1: Bob, Cy" in page
    assert "<code>@bob</code> Find the &lt;risk&gt;." in page
    assert "<code>@cy</code></li>" not in page  # without an instruction there is nothing to tell
    assert "Both ⟦U+202E⟧know." in page
    assert "data-routing-fallback hidden" in page
    assert lanes(page) == [("bob", "reply"), ("cy", "reply"), ("", "synthesize")]
    assert "Together: <strong>go</strong>." in page
    assert "2 answers in 1 round" in page
    assert '<details class="steps" data-steps>' in page  # folded under the synthesis
    assert "Stopped: maximum rounds reached" in page


@runs_turns
def test_rounds_stand_one_under_the_other(api, alice, session, openai_server):
    openai_server.when(ROUTE, Answer(decision(("ana", "Begin."))))
    openai_server.when(EVALUATE, Answer(decision(("bob", "Doubt."))), Answer(decision(action="synthesize")))
    openai_server.when(SYNTHESIZE, Answer("Done."))
    ask(api, session, max_rounds=3)
    page = page_of(alice, session)
    assert re.findall(r'data-round-box="(\d)"', page) == ["1", "2", "3"]
    assert "Round 2: Bob" in page
    assert "Manager concluded" in page
    assert "2 answers in 2 rounds" in page


@runs_turns
def test_a_fallback_is_visible(api, alice, session, openai_server):
    openai_server.when(ROUTE, Answer("I think Ana should do it."), always=True)
    ask(api, session)
    page = page_of(alice, session)
    assert "data-routing-fallback>default route<" in page
    assert "answer was not the JSON object it was asked for." in page
    assert lanes(page) == [("ana", "reply")]
    assert "data-steps open" in page  # nothing stands under them


@runs_turns
def test_a_roundtable_is_a_column_without_a_fold(api, alice, session):
    ask(api, session, mode="roundtable")
    page = page_of(alice, session)
    assert lanes(page) == [("ana", "reply"), ("bob", "reply"), ("cy", "reply")]
    assert page.count('class="lanes"') == 3
    assert "data-routing-title" not in page


@runs_turns
def test_a_receipt_lists_every_call(api, alice, session, openai_server):
    openai_server.when(ROUTE, Answer(decision(("ana", ""), ("bob", ""))))
    openai_server.when(says("bob"), Answer(status=401), always=True)
    turn = ask(api, session)
    page = page_of(alice, session)
    receipt = page[page.index('class="receipt"') :].partition("</details>")[0]
    rows = re.findall(
        r"(?s)<tr>\s*<td>(.*?)</td>\s*<td>(.*?)</td>\s*<td>(.*?)</td>\s*<td>(.*?)</td>", receipt
    )
    assert rows[0] == ("Routing", "Manager", "gpt-test", "ok")
    assert sorted(rows[1:]) == [
        ("Answer", "@ana", "gpt-test", "ok"),
        ("Answer", "@bob", "gpt-test", "failed"),
    ]
    assert receipt.count("<tr>") == 1 + turn["usage"]["calls"]
    assert "$" in receipt


@runs_turns
def test_only_the_newest_turn_can_be_run_again_and_every_one_branched(api, alice, session, openai_server):
    openai_server.when(says("bob"), Answer(status=401), always=True)
    ask(api, session, mode="roundtable")
    page = page_of(alice, session)
    assert page.count('data-action="retry"') == 1
    assert re.findall(r'data-retry-open data-agents="(\w+)"', page) == ["ana", "bob", "cy"]
    ask(api, session, "@ana again?", mode="manual")
    page = page_of(alice, session)
    assert 'data-action="retry"' not in page
    assert page.count("data-retry-open") == 1
    assert page.count('data-action="branch"') == 2


@runs_turns
def test_a_new_version_takes_the_place_of_the_old_one(api, alice, bob, session, openai_server):
    openai_server.when(says("bob"), Answer(status=401), Answer("Bob at last."))
    first = ask(api, session, mode="roundtable")
    second = api.post(f"turns/{first['id']}/retry").json()
    page = page_of(alice, session)
    assert re.findall(r'<section class="turn" id="turn-([\w-]+)"', page) == [second["id"]]
    assert "2/2</span>" in page
    assert lanes(page) == [("ana", "reply"), ("bob", "reply"), ("cy", "reply")]
    assert page.count(">reused<") == 2
    assert "data-older-url" not in page  # nothing but a version is before it
    client = browser(alice)
    old = text_of(client.get(url(session), {"version": first["id"]}))
    assert "1/2</span>" in old
    assert "an earlier version" in old
    assert "data-action" not in old.partition("<template")[0]
    piece = text_of(client.get(reverse("session-turn", args=[session.pk, first["id"]])))
    assert "1/2</span>" in piece
    assert "data-action" not in piece
    assert browser(bob).get(url(session), {"version": first["id"]}).status_code == 404
    other = make_session(alice, session.room)
    assert client.get(url(other), {"version": first["id"]}).status_code == 404
    assert client.get(url(session), {"version": "none"}).status_code == 404


@runs_turns
@pytest.mark.usefixtures("nobody_runs")
def test_a_running_version_shows_what_it_keeps(api, alice, session, openai_server):
    use_dispatcher(runtime)
    openai_server.when(says("bob"), Answer(status=401), always=True)
    first = ask(api, session, mode="roundtable")
    use_dispatcher(None)
    turn_retry(user=alice, turn=Turn.objects.get(pk=first["id"]))
    page = page_of(alice, session)
    assert lanes(page) == [("ana", "reply"), ("cy", "reply")]
    assert 'data-status="queued"' in page


def test_versions_and_rounds_cost_no_further_queries(alice, session, django_assert_num_queries):
    client, model = browser(alice), make_model()
    turns = add_turns(session, model, 1, answers=3)
    with django_assert_num_queries(19):
        client.get(url(session))
    Turn.objects.all().delete()
    turns = add_turns(session, model, 30, answers=3)
    decided = {"round": 1, "action": "route", "selections": [], "reason": "", "used_fallback": False}
    for old, new in zip(turns[::2], turns[1::2], strict=True):
        new.replaces, new.mode, new.routing = old, "orchestrator", [decided]
        new.save()
    with django_assert_num_queries(19):
        page = text_of(client.get(url(session)))
    assert "2/2</span>" in page
    assert page.count('<section class="turn"') == 5 + 1  # 20 messages, and the one that scripts copy


def test_the_mode_is_switched_beside_the_conversation(client, alice, bob, room, session):
    path = reverse("room-mode", args=[room.pk])
    assert_leads_to_sign_in(client.post(path, {"mode": "manual"}))
    assert browser(bob).post(path, {"mode": "manual"}).status_code == 404
    own = browser(alice)
    assert own.post(path, {"mode": "roundtable", "session": session.pk})["Location"] == url(session)
    assert own.post(path, {"max_rounds": "3"})["Location"] == reverse("room", args=[room.pk])
    room.refresh_from_db()
    assert (room.mode, room.max_rounds) == ("roundtable", 3)
    for bad in ({"mode": "direct"}, {"max_rounds": "4"}, {"max_rounds": "x"}):
        assert own.post(path, bad).status_code == 422
    stranger = make_session(bob, make_agent(bob, "zed"))
    assert own.post(path, {"mode": "manual", "session": stranger.pk}).status_code == 404


def test_a_missing_goal_for_the_manager_is_shown(alice, session):
    assert "Lead needs a goal" not in page_of(alice, session)
    Room.objects.update(goal="")
    assert "Lead needs a goal" in page_of(alice, session)


@pytest.mark.usefixtures("nobody_runs")
def test_a_running_led_turn_is_there_to_be_taken_up(alice, session):
    turn = turn_accept(user=alice, session=session, request=TurnRequest(message="Go"))
    page = page_of(alice, session)
    assert f'data-turn="{turn.pk}" data-index="1" data-mode="orchestrator" data-status="queued"' in page
    assert "data-action" not in page
