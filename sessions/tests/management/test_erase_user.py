"""A person is exported and erased; the ledger stays, without any name."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import io
import json
import sqlite3
import subprocess
import uuid
from typing import Any

import pytest
from django.apps import apps
from django.conf import settings
from django.contrib.admin.models import LogEntry
from django.core.management import CommandError, call_command
from django.db import connection, transaction
from django.utils import timezone

from accounts.models import ApiToken, AuditEntry, Invitation, User
from accounts.services.people import user_suspend
from accounts.tests.support.admin_site import page, static_files_as_they_are, superuser
from billing.models import Budget, DailyUsage, Hold, UsageEvent
from billing.selectors.labels import labels_for
from billing.services.budgets import budget_save
from billing.services.erase import names_erase
from orchestration.tests.providers import Answer, Gate
from sessions.events.eventlog import event_log
from sessions.live.runtime import runtime
from sessions.models import Agent, Call, ChatSession, Message, Room, Summary, Turn
from sessions.services.chats import session_delete
from sessions.services.purge import deleted_purge, sessions_erase
from sessions.services.rooms import room_delete
from sessions.tests.factories import make_agent, make_room, make_session, make_user
from sessions.tests.support.ledger import assert_nothing_to_audit
from sessions.tests.support.server_process import until
from sessions.tests.support.waiting import wait_for_event

__all__ = ["static_files_as_they_are"]

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


def events_of(turn_id: uuid.UUID) -> int:
    """Return the newest seq of a turn's events, 0 where nothing is known of it."""
    return asyncio.run(event_log.last_seq(turn_id))


def ledger() -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    return [dict(row) for row in UsageEvent.objects.values()], [
        dict(row) for row in DailyUsage.objects.values()
    ]


def nameless(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{**row, "room_name": "", "agent_key": ""} for row in rows]


def everything() -> str:
    """Return all rows of all tables that a model has, in one text."""
    rows = [list(model._base_manager.values()) for model in apps.get_models(include_auto_created=True)]
    return json.dumps(rows, default=str, ensure_ascii=False).lower()


def test_all_of_a_person_goes_and_the_ledger_stays(alice, bob, session, openai_model) -> None:
    theirs = make_agent(bob, "ana", openai_model)
    budget_save(budget=Budget(scope="user", target_id=alice.pk, limit_pico=10**15))
    with transaction.atomic():
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
    events, days = before
    assert events[0]["room_name"] == "Alice's secret room"
    assert ledger() == (nameless(events), days)
    assert_nothing_to_audit()
    entries = list(AuditEntry.objects.filter(object_id=str(alice.pk)).order_by("at"))
    assert {entry.action for entry in entries} == {"suspend", "erase"}
    told = json.dumps([[entry.object_label, entry.before, entry.after] for entry in entries])
    assert email not in told
    assert "secret" not in told


def test_no_table_has_an_address_or_a_name_of_theirs() -> None:
    """Earlier addresses too, what was deleted before, and Django's own log."""
    client = superuser()
    moment = {"expires_at_0": f"{timezone.now() + dt.timedelta(days=5):%Y-%m-%d}", "expires_at_1": "12:00:00"}
    invited = client.post(page(Invitation, "add"), {"email": "first@alice.example", "team": "", **moment})
    assert invited.status_code == 200
    invitation = Invitation.objects.get()
    user = User.objects.create_user("first@alice.example", name="Alice Liddell")
    Invitation.objects.update(accepted_by=user, accepted_at=timezone.now())
    for email, name in (
        ("second@alice.example", "Alice Liddell"),
        ("third@alice.example", "Alice Hargreaves"),
    ):
        form = {"email": email, "name": name, "team": "", "is_active": "on"}
        assert client.post(page(User, "change", user.pk), form).status_code == 302
    token = ApiToken.objects.create(user=user, name="Liddell's laptop", digest="d", hint="pn_abcd", scopes=[])
    assert client.post(page(ApiToken, "delete", token.pk), {"post": "yes"}).status_code == 302
    Invitation.objects.create(email="second@alice.example", digest="e", expires_at=timezone.now())
    # Somebody else has an earlier address by now, and another agent of the same handle.
    other = User.objects.create_user("first@alice.example", name="Another")
    theirs = Invitation.objects.create(
        email="first@alice.example",
        digest="f",
        expires_at=timezone.now(),
        accepted_by=other,
        accepted_at=timezone.now(),
    )
    for word in ("liddell", "hargreaves", "second@alice.example", "third@alice.example"):
        assert word in everything()
    erase("third@alice.example")
    found = everything()
    for word in ("liddell", "hargreaves", "second@alice.example", "third@alice.example"):
        assert word not in found, word
    assert list(Invitation.objects.all()) == [theirs]
    about = LogEntry.objects.filter(object_id__in=[str(user.pk), str(token.pk), str(invitation.pk)])
    assert set(about.values_list("object_repr", "change_message")) == {("", "")}
    assert about.count() >= 3
    erased = AuditEntry.objects.get(action="erase")
    assert (erased.object_id, erased.after) == (str(user.pk), {"usage_events_without_names": 0})


def test_the_ledger_is_left_by_others_names_and_reports_say_deleted(
    alice, bob, api, api_of, session, openai_model
) -> None:
    room = make_room(bob, make_agent(bob, "ana", openai_model), name="Bob's room")
    path = f"sessions/{make_session(bob, room).pk}/turns"
    assert api_of(bob).post(path, {"message": "@ana hello"}).status_code == 201
    mine = UsageEvent.objects.get(user_id=alice.pk)
    keys = {"room": [mine.room_id], "agent": [mine.agent_id]}
    assert set(labels_for(keys).values()) == {"Alice's secret room", "@ana"}
    erase(alice.email)
    assert set(labels_for(keys).values()) == {
        f"deleted ({str(mine.room_id)[:8]})",
        f"deleted ({str(mine.agent_id)[:8]})",
    }
    kept = UsageEvent.objects.get(user_id=bob.pk)
    assert (kept.room_name, kept.agent_key) == ("Bob's room", "ana")
    assert AuditEntry.objects.get(action="erase").after == {"usage_events_without_names": 1}


def test_the_events_of_their_turns_are_forgotten(alice, bob, session, api_of, openai_model) -> None:
    room = make_room(bob, make_agent(bob, "ana", openai_model))
    path = f"sessions/{make_session(bob, room).pk}/turns"
    assert api_of(bob).post(path, {"message": "@ana hello"}).status_code == 201
    mine, theirs = Turn.objects.get(user=alice), Turn.objects.get(user=bob)
    for turn in (mine, theirs):
        wait_for_event(turn.pk, "turn.completed")
    erase(alice.email)
    assert events_of(mine.pk) == 0
    assert events_of(theirs.pk) > 0


def test_what_is_not_erased_keeps_its_events(session) -> None:
    turn = session.turns.get()
    wait_for_event(turn.pk, "turn.completed")
    with contextlib.suppress(ZeroDivisionError), transaction.atomic():
        sessions_erase([session.pk])
        raise ZeroDivisionError
    assert events_of(turn.pk) > 0


@pytest.mark.skipif(bool(settings.REDIS_URL), reason="about events in a process's memory")
def test_what_another_process_erased_is_forgotten_here_too(session) -> None:
    """As `bin/manage erase_user` beside a server without Redis."""
    gone = session.turns.get().pk
    wait_for_event(gone, "turn.completed")
    session.delete()
    assert events_of(gone) > 0
    runtime.start_recovery()
    until(lambda: events_of(gone) == 0)


def test_names_go_inside_the_transaction_that_says_so(alice, session) -> None:
    with pytest.raises(RuntimeError, match="inside the transaction"):
        names_erase(user_id=alice.pk)
    with transaction.atomic():
        assert names_erase(user_id=alice.pk) == 1
        assert names_erase(user_id=alice.pk) == 0


def bytes_on_disk() -> bytes:
    """Read the database's files in another process.

    A process that closes any handle of a file loses all its POSIX locks on it. Without SQLite's lock, the next server
    that a test starts would take itself for the only one and remove the log that this process still writes.
    """
    name = str(connection.settings_dict["NAME"])
    paths = [f"{name}{end}" for end in ("", "-wal")]
    return subprocess.run(["cat", *paths], capture_output=True, check=True).stdout


def test_what_they_deleted_and_could_take_back_goes_too(alice, api, session) -> None:
    assert session.room is not None
    room_delete(room=session.room)
    assert "secret" in everything()
    erase(alice.email)
    assert "secret" not in everything()
    assert_nothing_to_audit()


@pytest.mark.skipif(connection.vendor != "sqlite", reason="about SQLite's files")
def test_their_texts_are_not_in_the_bytes_of_the_file(alice, api, session) -> None:
    long = " ".join(f"zxsecret{number}" for number in range(2000))  # pages of its own
    for text in ("zxsecret short", long, "zxsecret too"):
        assert api.post(f"sessions/{session.pk}/turns", {"message": f"@ana {text}"}).status_code == 201
    assert b"zxsecret" in bytes_on_disk()
    erase(alice.email)
    found = bytes_on_disk()
    for word in (b"zxsecret", b"Alice's secret room", alice.email.encode()):
        assert found.count(word) == 0, word


@pytest.mark.skipif(connection.vendor != "sqlite", reason="about SQLite's files")
def test_nor_what_they_deleted_once_it_is_purged(alice, api, session) -> None:
    long = " ".join(f"zxpurged{number}" for number in range(2000))
    for text in ("zxpurged short", long):
        assert api.post(f"sessions/{session.pk}/turns", {"message": f"@ana {text}"}).status_code == 201
    session_delete(session=session)
    deleted_purge(before=timezone.now())
    assert b"zxpurged" not in bytes_on_disk()


@pytest.mark.skipif(connection.vendor != "sqlite", reason="about SQLite's files")
def test_a_reader_that_keeps_the_log_is_reported(alice, session) -> None:
    reader = sqlite3.connect(connection.settings_dict["NAME"], isolation_level=None)
    reader.execute("BEGIN")
    reader.execute("SELECT COUNT(*) FROM accounts_user").fetchone()
    errors = io.StringIO()
    call_command("erase_user", alice.email, "--yes", stdout=io.StringIO(), stderr=errors)
    assert "Restart Pantheon" in errors.getvalue()
    reader.close()
    assert connection.cursor().execute("PRAGMA busy_timeout").fetchone() == (20_000,)


@pytest.mark.skipif(connection.vendor != "sqlite", reason="about SQLite's files")
def test_a_file_that_cannot_be_rewritten_is_reported(alice, session) -> None:
    unfinished = connection.connection.execute("SELECT 1 UNION SELECT 2")
    unfinished.fetchone()  # nothing is rewritten in the middle of a statement
    with pytest.raises(CommandError, match="Run VACUUM on it"):
        erase(alice.email)
    assert not User.objects.filter(pk=alice.pk).exists()
    unfinished.close()


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
