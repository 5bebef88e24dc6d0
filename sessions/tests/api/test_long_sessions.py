"""Very long sessions: exported a portion at a time, copied up to the fork's turn."""

from __future__ import annotations

import http.client
import json
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.db.models.signals import post_init
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from accounts.tests.support.bodies import body_of
from orchestration.models import LlmModel
from sessions.models import Call, ChatSession, Message, Summary, Turn
from sessions.selectors import portions
from sessions.selectors.export import session_document, session_json, session_markdown
from sessions.selectors.portions import message_portions
from sessions.services.fork import session_fork
from sessions.tests.factories import bearer, make_agent, make_room, make_session
from sessions.tests.support.pages import browser
from sessions.tests.support.server_process import ServerProcess

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("nobody_runs"),
    pytest.mark.filterwarnings("ignore:StreamingHttpResponse must consume asynchronous"),
]

TURNS = 230
"""More than two portions of rows."""


def say(session: ChatSession, turns: int, *, chars: int = 20) -> None:
    """Add turns of one question and one answer each, as if they had been asked."""
    now = timezone.now()
    rows = [
        Turn(
            session=session,
            user=session.owner,
            index=index,
            mode="direct",
            status=Turn.Status.COMPLETED,
            completed_at=now,
            snapshot={
                "goal": "ü" * 10,
                "summarize": {"through_seq": 1, "first": False} if index == 2 else None,
            },
        )
        for index in range(1, turns + 1)
    ]
    Turn.objects.bulk_create(rows)
    Message.objects.bulk_create(
        Message(
            session=session,
            turn=turn,
            seq=2 * number - (role == Message.Role.USER),
            role=role,
            text=f'{role} {number} "ü"\n'.ljust(chars, "x"),
        )
        for number, turn in enumerate(rows, start=1)
        for role in (Message.Role.USER, Message.Role.AGENT)
    )
    Summary.objects.bulk_create(
        Summary(session=session, from_seq=1, through_seq=2 * index, text=f"Up to {index}.", turn=None)
        for index in range(10, turns, 10)
    )


@pytest.fixture
def session(alice, openai_model) -> ChatSession:
    return make_session(alice, make_agent(alice, "ana", openai_model))


@contextmanager
def rows_made(model: type[Any]) -> Iterator[list[int]]:
    """Count the instances of a model that are made, in the last entry of the list."""
    made = [0]

    def count(sender: type[Any], **kwargs: Any) -> None:
        made[-1] += 1

    post_init.connect(count, sender=model)
    try:
        yield made
    finally:
        post_init.disconnect(count, sender=model)


def whole(document: dict[str, Any]) -> dict[str, Any]:
    """Return a document with its lists as lists."""
    return {name: list(value) if isinstance(value, list) else value for name, value in document.items()}


@pytest.mark.parametrize("turns", [0, 1, TURNS])
def test_what_is_written_in_pieces_is_what_would_be_written_at_once(session, turns: int) -> None:
    say(session, turns)
    text = "".join(session_json(session))
    document = whole(session_document(session)) | {"exported_at": json.loads(text)["exported_at"]}
    assert text == json.dumps(document, ensure_ascii=False, indent=1)
    assert [turn["index"] for turn in document["turns"]] == list(range(1, turns + 1))
    assert [turn["index"] for turn in document["turns"] if turn["summary_triggered"]] == [2][: turns - 1]
    assert len(document["summaries"]) == len(range(10, turns, 10))
    said = Message.objects.filter(session=session).order_by("seq").values_list("text", flat=True)
    markdown = "".join(session_markdown(session))
    assert [part for part in markdown[:-1].split("\n\n") if part in set(said)] == list(said)


@pytest.mark.parametrize("export", [session_json, session_markdown])
def test_an_export_makes_few_rows_at_once(session, export, monkeypatch) -> None:
    say(session, TURNS)
    monkeypatch.setattr(portions, "PIECE_CHARS", 1)
    with rows_made(Message) as made:
        for _ in export(session):
            made.append(0)
    assert sum(made) == 2 * TURNS
    assert max(made) <= 2 * portions.BATCH_SIZE


@pytest.mark.parametrize("export", [session_json, session_markdown])
def test_an_export_makes_fewer_of_long_rows(session, export, monkeypatch) -> None:
    say(session, 20, chars=5_000)
    monkeypatch.setattr(portions, "PIECE_CHARS", 1)
    monkeypatch.setattr(portions, "PORTION_CHARS", 20_000)
    with rows_made(Message) as made:
        for _ in export(session):
            made.append(0)
    assert sum(made) == 40
    assert max(made) == 4


def test_a_row_that_is_longer_than_a_portion_is_one(session, monkeypatch) -> None:
    say(session, 2, chars=500)
    monkeypatch.setattr(portions, "PORTION_CHARS", 100)
    found = list(message_portions(Message.objects.filter(session=session)))
    assert [[message.seq for message in portion] for portion in found] == [[1], [2], [3], [4]]


@pytest.mark.parametrize("suffix", ["md", "json"])
def test_an_export_reads_no_snapshot(api, session, suffix: str) -> None:
    say(session, 3)
    with CaptureQueriesContext(connection) as queries:
        body_of(api.get(f"sessions/{session.pk}/export?as={suffix}"))
    assert not [query for query in queries if '"snapshot", "' in query["sql"]]


def test_the_headers_alone_take_no_texts(api, session) -> None:
    say(session, 3)
    path = f"/api/v1/sessions/{session.pk}/export"
    with rows_made(Message) as made:
        head = api.client.head(path)
    assert head["Content-Disposition"] == api.client.get(path)["Content-Disposition"]
    assert made == [0]


def test_a_person_has_it_in_pieces(alice, session, monkeypatch) -> None:
    say(session, TURNS)
    monkeypatch.setattr(portions, "PIECE_CHARS", 1_000)
    with rows_made(Message) as made:
        parts = []
        for part in browser(alice).get(reverse("account-export")):
            parts.append(part)
            made.append(0)
    (exported,) = json.loads(b"".join(parts))["sessions"]
    assert len(exported["turns"]) == TURNS
    assert sum(made) == 2 * TURNS


def test_an_error_on_the_way_breaks_the_connection(
    alice, session, openai_model: LlmModel, tmp_path: Path
) -> None:
    say(session, TURNS, chars=2_000)
    last = Turn.objects.get(session=session, index=TURNS)
    # An error without what every error has: it cannot be shown.
    Call.objects.create(
        turn=last, claim=1, number=1, step_id=uuid.uuid4(), model=openai_model, error={"a": 1}
    )
    with ServerProcess(tmp_path, bearer(alice)) as server:
        asking = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
        headers = {"Authorization": bearer(alice)}
        asking.request("GET", f"/api/v1/sessions/{session.pk}/export?as=json", headers=headers)
        answer = asking.getresponse()
        assert answer.status == 200
        with pytest.raises(http.client.IncompleteRead) as broken:
            answer.read()
        assert b'"index": 1,' in broken.value.partial
        asking.close()


def test_a_fork_of_several_portions_gets_new_numbers(alice, session) -> None:
    say(session, TURNS)
    Turn.objects.filter(session=session, index=5).update(replaces=Turn.objects.get(session=session, index=4))
    with CaptureQueriesContext(connection) as queries:
        fork = session_fork(user=alice, session=session, after_turn=TURNS)
    inserts = [query for query in queries if query["sql"].startswith('INSERT INTO "chat_sessions_message"')]
    assert len(inserts) >= 2 * (TURNS - 1) / portions.BATCH_SIZE
    turns = Turn.objects.filter(session=fork).order_by("index")
    assert [turn.index for turn in turns] == list(range(1, TURNS))
    assert all(turn.snapshot["summarize"] is None for turn in turns)
    copied = Message.objects.filter(session=fork).order_by("seq")
    kept = Message.objects.filter(session=session, turn__replaced_by__isnull=True).order_by("seq")
    assert [message.seq for message in copied] == list(range(1, 2 * TURNS - 1))
    assert [message.text for message in copied] == [message.text for message in kept]
    assert [message.turn.index for message in copied.select_related("turn")] == [
        (message.seq + 1) // 2 for message in copied
    ]
    (summary,) = fork.summaries.all()
    assert (summary.text, summary.from_seq, summary.through_seq) == ("Up to 220.", 1, 438)


@pytest.mark.parametrize(("bound", "most"), [("MAX_ROWS", 6), ("MAX_CHARS", 500)])
def test_what_is_too_long_to_copy_is_refused_before_anything_is_held(
    api, session, bound: str, most: int, monkeypatch
) -> None:
    say(session, 4, chars=60)
    monkeypatch.setattr(f"sessions.services.fork.{bound}", most)
    with CaptureQueriesContext(connection) as queries:
        refused = api.post(f"sessions/{session.pk}/fork", {"after_turn": 4})
    assert (refused.status_code, refused.json()["error"]["code"]) == (422, "validation_error")
    assert "Choose an earlier turn" in refused.json()["error"]["details"]["fields"]["after_turn"][0]
    assert not [query for query in queries if 'INSERT INTO "chat_sessions' in query["sql"]]
    assert ChatSession.objects.count() == 1
    assert api.post(f"sessions/{session.pk}/fork", {"after_turn": 2}).status_code == 201


def test_a_page_of_long_turns_is_shorter_in_both_directions(api, session, monkeypatch) -> None:
    say(session, 7, chars=100)
    monkeypatch.setattr("sessions.api.sized_pages.MAX_PAGE_CHARS", 450)
    address, pages = f"sessions/{session.pk}/turns?limit=3", []
    while address:
        page = api.get(address).json()
        pages.append([turn["index"] for turn in page["results"]])
        address, previous = (page["next"] or "").partition("/api/v1/")[2], page["previous"]
    assert pages == [[7, 6], [5, 4], [3, 2], [1]]
    back = api.get(previous.partition("/api/v1/")[2]).json()
    assert [turn["index"] for turn in back["results"]] == [3, 2]
    monkeypatch.setattr("sessions.api.sized_pages.MAX_PAGE_CHARS", 10)
    assert len(api.get(f"sessions/{session.pk}/turns").json()["results"]) == 1


def test_a_page_of_rooms_with_long_prompts_is_shorter(api, alice, monkeypatch) -> None:
    monkeypatch.setattr("sessions.api.sized_pages.MAX_PAGE_CHARS", 250)
    agents = [make_agent(alice, key, role_prompt="x" * 50) for key in ("ana", "bob")]
    names = [make_room(alice, *agents, name=f"Room {number}").name for number in range(3)]
    first = api.get("rooms").json()
    assert [room["name"] for room in first["results"]] == names[:0:-1]
    assert all(len(room["agents"]) == 2 for room in first["results"])
    rest = api.get(first["next"].partition("/api/v1/")[2]).json()
    assert [room["name"] for room in rest["results"]] == names[:1]
