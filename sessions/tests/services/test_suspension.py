"""Suspension ends an account's running turns and open streams."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from accounts.models import User
from accounts.tests.support.admin_site import page, static_files_as_they_are, superuser
from accounts.tests.support.clients import client_of, make_user
from billing.models import Hold, UsageEvent
from billing.services.budgets import budget_save
from billing.tests.support.budgets import make_budget
from orchestration.tests.providers import Answer, Gate, OpenAIServer
from orchestration.tests.providers import Hold as HoldBack
from sessions.api.events import stream_events, wait_until_final
from sessions.api.openai_compatible.streaming import stream_chunks
from sessions.dispatch import use_dispatcher
from sessions.live.database import read_in_request
from sessions.live.runtime import runtime
from sessions.models import Message, Turn
from sessions.tests.factories import make_agent, make_room, make_session
from sessions.tests.support.ledger import assert_nothing_to_audit
from sessions.tests.support.sse import read_all
from sessions.tests.support.waiting import wait_for_event
from web.errors import PantheonError

__all__ = ["static_files_as_they_are"]

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.filterwarnings("ignore:StreamingHttpResponse must consume asynchronous"),
]


@pytest.fixture
def session(alice, openai_model):
    return make_session(alice, make_room(alice, make_agent(alice, "ana", openai_model)))


def start(api: Any, session: Any) -> Turn:
    response = api.post(f"sessions/{session.pk}/turns", {"message": "@ana hello", "background": True})
    return Turn.objects.get(pk=response.json()["id"])


def by_action(alice: User) -> None:
    superuser().post(page(User, "changelist"), {"action": "suspend", "_selected_action": [alice.pk]})


def by_form(alice: User) -> None:
    superuser().post(page(User, "change", alice.pk), {"email": alice.email, "name": alice.name, "team": ""})


def by_api(alice: User) -> None:
    root = make_user("root", is_staff=True, is_superuser=True)
    assert client_of(root).post(f"/api/v1/admin/users/{alice.pk}/suspend").status_code == 200


def by_hand(alice: User) -> None:
    User.objects.filter(pk=alice.pk).update(is_active=False)


@pytest.mark.parametrize("suspend", [by_action, by_form, by_api, by_hand])
def test_running_turns_are_cancelled_and_billed(
    alice, api, session, openai_server: OpenAIServer, suspend: Any
) -> None:
    budget_save(budget=make_budget(usd=1000))
    gate = Gate()
    openai_server.default = Answer(["Good ", "day."], at={1: HoldBack(gate)})
    turn = start(api, session)
    wait_for_event(turn.pk, '"text":"Good "')
    stream = api.get(f"turns/{turn.pk}/events")
    suspend(alice)
    assert not User.objects.get(pk=alice.pk).is_active
    wait_for_event(turn.pk, '"type":"turn.cancelled"')
    assert read_all(stream)[-1].type == "turn.cancelled"
    gate.open()
    turn.refresh_from_db()
    assert (turn.status, turn.stop_reason) == ("cancelled", "cancelled")
    assert Message.objects.get(turn=turn, role="agent").text == "Good "
    assert UsageEvent.objects.get(turn_id=turn.pk).status == "cancelled"
    assert not Hold.objects.filter(resolved_at=None).exists()
    assert_nothing_to_audit()
    assert api.get(f"turns/{turn.pk}/events").status_code == 403


@pytest.mark.usefixtures("nobody_runs")
def test_a_turn_that_was_accepted_meanwhile_asks_no_model(
    alice, api, session, openai_server: OpenAIServer
) -> None:
    turn = start(api, session)
    stream = api.get(f"turns/{turn.pk}/events")
    by_hand(alice)
    use_dispatcher(runtime)
    runtime.submit(turn.pk)
    wait_for_event(turn.pk, '"type":"turn.cancelled"')
    assert read_all(stream)[-1].type == "turn.cancelled"
    assert openai_server.served == []


@pytest.mark.usefixtures("nobody_runs")
async def test_streams_of_turns_that_nobody_ends_end(alice, api, session) -> None:
    turn = await read_in_request(start, api, session)
    await read_in_request(by_hand, alice)
    async with asyncio.timeout(10):
        assert [
            chunk async for chunk in stream_events(turn.pk, 0, user_id=turn.user_id, is_running=True)
        ] == [b"retry: 2000\n\n"]
        *_, error, done = [chunk async for chunk in stream_chunks(turn, model="room", include_usage=False)]
        assert json.loads(error.removeprefix("data: "))["error"]["code"] == "account_suspended"
        assert done == "data: [DONE]\n\n"
        with pytest.raises(PantheonError, match="suspended"):
            await wait_until_final(turn.pk, None)


def test_turns_of_others_run_on(alice, bob, api, session, openai_server: OpenAIServer) -> None:
    gate = Gate()
    openai_server.default = Answer(["Good ", "day."], at={1: HoldBack(gate)})
    turn = start(api, session)
    wait_for_event(turn.pk, '"text":"Good "')
    by_hand(bob)
    gate.open()
    assert read_all(api.get(f"turns/{turn.pk}/events"))[-1].type == "turn.completed"


def test_a_deleted_token_ends_no_stream_that_it_has_opened(alice, api, session, openai_server) -> None:
    """A stream is one request: it ends with its turn, which its owner can cancel."""
    gate = Gate()
    openai_server.default = Answer(["Good ", "day."], at={1: HoldBack(gate)})
    turn = start(api, session)
    wait_for_event(turn.pk, '"text":"Good "')
    stream = api.get(f"turns/{turn.pk}/events")
    alice.api_tokens.all().delete()
    gate.open()
    assert read_all(stream)[-1].type == "turn.completed"
    assert api.get(f"turns/{turn.pk}/events").status_code == 401


@pytest.mark.usefixtures("nobody_runs")
@pytest.mark.parametrize("deletes", ["session", "room"])
def test_a_turn_that_was_accepted_as_its_session_was_deleted_asks_no_model(
    alice, api, session, openai_server: OpenAIServer, deletes: str
) -> None:
    turn = start(api, session)
    # What a deletion that did not see the turn yet leaves behind.
    row = session if deletes == "session" else session.room
    type(row).objects.filter(pk=row.pk).update(deleted_at=turn.created_at)
    use_dispatcher(runtime)
    runtime.submit(turn.pk)
    wait_for_event(turn.pk, '"type":"turn.cancelled"')
    assert openai_server.served == []


def test_a_turn_whose_session_is_deleted_unnoticed_is_cancelled_while_it_runs(
    alice, api, session, openai_server: OpenAIServer
) -> None:
    gate = Gate()
    openai_server.default = Answer(["Good ", "day."], at={1: HoldBack(gate)})
    turn = start(api, session)
    wait_for_event(turn.pk, '"text":"Good "')
    type(session).objects.filter(pk=session.pk).update(deleted_at=turn.created_at)
    wait_for_event(turn.pk, '"type":"turn.cancelled"')
    gate.open()
    assert UsageEvent.objects.get(turn_id=turn.pk).status == "cancelled"
