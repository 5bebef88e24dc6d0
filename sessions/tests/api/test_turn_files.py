"""Files that a message brings: sent, estimated, kept by a new version, shown with the message."""

from __future__ import annotations

import uuid

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from sessions.models import MessageFile, Turn
from sessions.tests.conftest import Api
from sessions.tests.factories import make_agent, make_file, make_session

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("nobody_runs")]


@pytest.fixture
def session(alice, openai_model):
    return make_session(alice, make_agent(alice, "ana", openai_model))


def send(api: Api, session, **fields):
    return api.post(f"sessions/{session.pk}/turns", {"message": "Look.", "background": True, **fields})


def as_final(turn_id: str) -> None:
    turn = Turn.objects.get(pk=turn_id)
    Turn.objects.filter(pk=turn_id).update(
        status=Turn.Status.FAILED, completed_at=turn.created_at, error=None
    )


def test_files_are_shown_with_the_message_in_the_order_attached(api, alice, session) -> None:
    lease, photo = make_file(alice), make_file(alice, "photo.png", kind="image", width=20, height=10)
    answer = send(api, session, files=[str(photo.pk), str(lease.pk), str(photo.pk)])
    assert answer.status_code == 202
    shown = [
        {"id": str(file.pk), "name": file.name, "media_type": file.media_type}
        | {"kind": file.kind, "bytes": file.bytes, "tokens": file.tokens}
        for file in (photo, lease)
    ]
    assert answer.json()["files"] == shown
    assert api.get(f"turns/{answer.json()['id']}").json()["files"] == shown
    [message] = api.get(f"sessions/{session.pk}/messages").json()["results"]
    assert message["files"] == shown


@pytest.mark.parametrize("place", ["turns", "turns/estimate"])
@pytest.mark.parametrize("whose", ["a stranger's", "a deleted one", "none", "no id"])
def test_only_own_files_can_be_sent(api, alice, bob, session, place, whose) -> None:
    of_bob, deleted = make_file(bob), make_file(alice)
    deleted.deleted_at = deleted.created_at
    deleted.save()
    ids = {"a stranger's": of_bob.pk, "a deleted one": deleted.pk, "none": uuid.uuid4(), "no id": "../x"}
    answer = api.post(f"sessions/{session.pk}/{place}", {"message": "Look.", "files": [str(ids[whose])]})
    assert answer.status_code == 404
    assert not Turn.objects.exists()


def test_a_message_takes_ten_files(api, alice, session) -> None:
    ids = [str(make_file(alice, f"{number}.txt").pk) for number in range(11)]
    assert send(api, session, files=ids).status_code == 422
    assert send(api, session, files=ids[:10]).status_code == 202
    assert MessageFile.objects.count() == 10


def test_a_rerun_keeps_the_files_of_its_turn(api, alice, session) -> None:
    lease, photo = make_file(alice), make_file(alice, "photo.png", kind="image", width=20, height=10)
    first = send(api, session, files=[str(lease.pk)]).json()
    as_final(first["id"])
    lease.deleted_at = lease.created_at
    lease.save()
    again = api.post(f"turns/{first['id']}/rerun", {"message": "Look closer.", "background": True}).json()
    assert [file["id"] for file in again["files"]] == [str(lease.pk)]
    as_final(again["id"])
    third = api.post(f"turns/{again['id']}/rerun", {"files": [str(photo.pk)], "background": True}).json()
    assert [file["id"] for file in third["files"]] == [str(photo.pk)]
    assert third["message"] == "Look closer."
    as_final(third["id"])
    none = api.post(f"turns/{third['id']}/rerun", {"files": [], "background": True}).json()
    assert none["files"] == []


def test_a_retry_keeps_the_files_of_its_turn(api, alice, session) -> None:
    lease = make_file(alice)
    first = send(api, session, files=[str(lease.pk)]).json()
    as_final(first["id"])
    again = api.post(f"turns/{first['id']}/retry", {"background": True}).json()
    assert [file["id"] for file in again["files"]] == [str(lease.pk)]


def test_messages_without_files_cost_no_statement(api, alice, session) -> None:
    counts = []
    for files in ([], [str(make_file(alice).pk)]):
        with CaptureQueriesContext(
            connection,
        ) as queries:
            answer = send(api, session, files=files)
        assert answer.status_code == 202
        counts.append(
            [
                query["sql"]
                for query in queries
                if "chat_sessions_messagefile" in query["sql"].split("WHERE")[0]
            ]
        )
        as_final(answer.json()["id"])
    without, with_one = counts
    assert all("EXISTS" in sql for sql in without)  # part of the statement that reads the message
    assert any(sql.startswith("INSERT") or "INSERT INTO" in sql for sql in with_one)
