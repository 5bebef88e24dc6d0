"""A person is exported and erased; the ledger stays, and knows nobody any more."""

from __future__ import annotations

import io
import json

import pytest
from django.core.management import CommandError, call_command

from accounts.models import ApiToken, AuditEntry, Invitation, User
from accounts.services import user_suspend
from billing.models import Budget, DailyUsage, Hold, UsageEvent
from billing.services.budgets import budget_save
from orchestration.tests.providers import Answer, Gate
from sessions.models import Agent, Call, ChatSession, Message, Room, Summary, Turn
from sessions.tests.factories import make_agent, make_room, make_session, make_user
from sessions.tests.ledger import assert_nothing_to_audit

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def session(alice, api, openai_model) -> ChatSession:
    room = make_room(alice, make_agent(alice, "ana", openai_model), name="Alice's secret room")
    session = make_session(alice, room)
    assert api.post(f"sessions/{session.pk}/turns", {"message": "@ana my secret"}).status_code == 201
    Summary.objects.create(session=session, from_seq=1, through_seq=2, text="A secret was told.")
    return session


def erase(email: str, *options: str) -> str:
    out = io.StringIO()
    call_command("erase_user", email, "--yes", *options, stdout=out)
    return out.getvalue()


def ledger() -> tuple[list[object], list[object]]:
    return list(UsageEvent.objects.values()), list(DailyUsage.objects.values())


def test_all_of_a_person_goes_and_the_ledger_stays(alice, bob, session, openai_model) -> None:
    theirs = make_agent(bob, "ana", openai_model)
    budget_save(budget=Budget(scope="user", target_id=alice.pk, limit_pico=10**15))
    user_suspend(user=alice, actor_id=bob.pk)
    Invitation.objects.create(
        email=alice.email, digest="d", created_by_id=bob.pk, expires_at="2030-01-01T00:00:00Z"
    )
    before, email = ledger(), alice.email
    assert erase(email.upper()) == "Erased.\n"
    assert list(User.objects.all()) == [bob]
    assert list(Agent.objects.all()) == [theirs]
    for model in (Room, ChatSession, Turn, Call, Message, Summary, Budget, Invitation):
        assert not model.objects.exists(), model
    assert not ApiToken.objects.filter(user_id=alice.pk).exists()
    assert ledger() == before
    assert_nothing_to_audit()
    entries = list(AuditEntry.objects.filter(object_id=str(alice.pk)).order_by("at"))
    assert {entry.action for entry in entries} == {"suspend", "erase"}
    told = json.dumps([[entry.object_label, entry.before, entry.after] for entry in entries])
    assert email not in told
    assert "secret" not in told


def test_running_turns_are_cancelled_and_billed_first(alice, api, session, openai_server) -> None:
    budget_save(budget=Budget(scope="everyone", limit_pico=10**15))
    gate = Gate()
    openai_server.queue(Answer("Yes.", head_gate=gate))
    api.post(f"sessions/{session.pk}/turns", {"message": "@ana and now?", "background": True})
    gate.wait_until_reached()
    erase(alice.email)
    gate.open()
    assert UsageEvent.objects.filter(status="cancelled").count() == 1
    assert not Hold.objects.filter(resolved_at=None).exists()
    assert_nothing_to_audit()


def test_a_turn_that_nobody_runs_is_waited_for_and_nothing_is_lost(alice, api, session, nobody_runs) -> None:
    api.post(f"sessions/{session.pk}/turns", {"message": "@ana and now?", "background": True})
    with pytest.raises(CommandError, match="still running"):
        erase(alice.email, "--wait-s", "0")
    alice.refresh_from_db()
    assert not alice.is_active
    assert ChatSession.objects.count() == 1


def test_the_last_administrator_stays() -> None:
    root = make_user("root", is_staff=True, is_superuser=True)
    with pytest.raises(CommandError, match="last administrator"):
        erase(root.email)
    root.refresh_from_db()
    assert root.is_active
    make_user("other", is_staff=True, is_superuser=True)
    erase(root.email)
    assert not User.objects.filter(pk=root.pk).exists()


def test_it_is_not_done_by_mistake(alice) -> None:
    with pytest.raises(CommandError, match="--yes"):
        call_command("erase_user", alice.email)
    with pytest.raises(CommandError, match="No user"):
        erase("nobody@example.org")
    assert User.objects.get() == alice


def test_an_export_is_everything_and_no_secret(alice, bob, session, openai_model, tmp_path) -> None:
    make_agent(bob, "other", openai_model)
    out = io.StringIO()
    call_command("export_user", alice.email, stdout=out)
    data = json.loads(out.getvalue())
    assert data["person"]["email"] == alice.email
    assert [agent["key"] for agent in data["agents"]] == ["ana"]
    assert [(room["name"], room["agents"]) for room in data["rooms"]] == [("Alice's secret room", ["ana"])]
    (exported,) = data["sessions"]
    assert exported["turns"][0]["message"] == "@ana my secret"
    assert exported["summaries"][0]["text"] == "A secret was told."
    (event,) = data["usage"]
    assert event["cost_usd"] == exported["turns"][0]["usage"]["cost_usd"]
    (token,) = data["tokens"]
    assert set(token) == {"id", "name", "hint", "scopes", "created_at", "last_used_at"}
    assert alice.password not in out.getvalue()
    path = tmp_path / "alice.json"
    call_command("export_user", alice.email, "--output", str(path))
    assert json.loads(path.read_text())["person"] == data["person"]


def test_an_export_of_somebody_who_has_nothing(bob) -> None:
    out = io.StringIO()
    call_command("export_user", bob.email, stdout=out)
    data = json.loads(out.getvalue())
    assert [data[name] for name in ("tokens", "agents", "rooms", "sessions", "usage")] == [[]] * 5
