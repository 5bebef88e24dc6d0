"""Contents are removed with the last file that needs them, and never earlier; a crash leaves nothing for good."""

from __future__ import annotations

import base64
import datetime as dt
import io
import json
import os
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from django.db import connections
from django.utils import timezone

from sessions.files.converter.results import Converted
from sessions.files.storage import UNFINISHED, UNFINISHED_S
from sessions.models import ChatSession, File, MessageFile, Turn
from sessions.selectors.export import session_json, session_markdown
from sessions.selectors.person import person_json
from sessions.services.chats import session_delete
from sessions.services.erase import user_erase
from sessions.services.files import contents_sweep, file_add, file_delete
from sessions.services.fork import session_fork
from sessions.services.purge import deleted_purge
from sessions.services.restore import session_restore
from sessions.services.turn_accept import turn_accept
from sessions.services.turn_request import TurnRequest
from sessions.tests.factories import make_agent, make_session
from sessions.tests.support.uploads import Crash, hashes_in, storage_of, stored
from web.errors import NotFound, PantheonError

__all__ = ["stored"]

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("nobody_runs")]


def add(owner: Any, text: str = "The rent.") -> File:
    content = io.BytesIO(text.encode())
    return file_add(
        owner=owner, name="lease.txt", content=content, converted=Converted("text/plain", text=text)
    )


def send(session: ChatSession, *files: File) -> Turn:
    request = TurnRequest(message="Look.", files=files)
    turn = turn_accept(user=session.owner, session=session, request=request)
    Turn.objects.filter(pk=turn.pk).update(status=Turn.Status.FAILED, completed_at=timezone.now())
    return turn


@pytest.fixture
def session(alice, openai_model) -> ChatSession:
    return make_session(alice, make_agent(alice, "ana", openai_model))


def purge(session: ChatSession) -> None:
    session_delete(session=session)
    ChatSession.objects.filter(pk=session.pk).update(deleted_at=timezone.now() - dt.timedelta(days=8))
    assert deleted_purge().sessions == 1


def test_a_purged_session_takes_its_files_along(alice, session, stored: Path) -> None:
    sent, kept = add(alice), add(alice, "Not sent.")
    send(session, sent)
    purge(session)
    assert list(File.objects.all()) == [kept]
    assert hashes_in(stored) == {kept.sha256}


def test_a_file_in_another_session_stays(alice, session, stored: Path) -> None:
    file = add(alice)
    send(session, file)
    fork = session_fork(user=alice, session=session, after_turn=1)
    file_delete(file=file)
    purge(session)
    [brought] = MessageFile.objects.all()
    assert (brought.message.session, brought.file, brought.position) == (fork, file, 0)
    assert hashes_in(stored) == {file.sha256}
    purge(fork)
    assert not File.objects.exists()
    assert hashes_in(stored) == set()


def test_a_restored_session_has_its_files(alice, session, stored: Path) -> None:
    file = add(alice)
    send(session, file)
    session_delete(session=session)
    file_delete(file=file)
    session_restore(session=session)
    assert list(MessageFile.objects.values_list("file", flat=True)) == [file.pk]
    assert hashes_in(stored) == {file.sha256}


def test_an_erased_person_leaves_no_file(alice, bob, session, stored: Path) -> None:
    of_bob = add(bob, "Bob's.")
    add(bob)  # the content of one of hers
    for text in ("The rent.", "Sent.", "Not sent.", "Deleted."):
        file = add(alice, text)
        if text in ("Sent.", "Deleted."):
            send(session, file)
        if text == "Deleted.":
            file_delete(file=file)
    user_erase(user=alice)
    assert set(File.objects.values_list("owner", flat=True)) == {bob.pk}
    assert hashes_in(stored) == {of_bob.sha256, *File.objects.values_list("sha256", flat=True)}
    assert len(hashes_in(stored)) == 2


def test_a_file_deleted_meanwhile_is_not_sent(alice, session, stored: Path) -> None:
    file = add(alice)
    file_delete(file=file)
    with pytest.raises(NotFound):
        send(session, file)
    assert not Turn.objects.exists()


@pytest.mark.parametrize("where", ["exists", "delete"])
def test_after_a_crash_the_sweep_removes_what_nothing_needs(
    alice, bob, stored: Path, settings: Any, where: str
) -> None:
    """A process ends between content and row, or between the end of a row and that of its content."""
    needed = add(bob, "Needed.")
    file = add(alice) if where == "delete" else None
    with storage_of("CrashingStorage", settings, stored, crash_at=where), pytest.raises(Crash):
        file_delete(file=file) if file else add(alice)
    assert len(hashes_in(stored)) == 2
    assert not File.objects.filter(owner=alice).exists()
    assert contents_sweep() == 1
    assert hashes_in(stored) == {needed.sha256}
    assert contents_sweep() == 0


def test_a_content_that_was_half_written_is_swept(alice, stored: Path) -> None:
    file = add(alice)
    old, new = (stored / file.sha256[:2] / f"{UNFINISHED}{name}" for name in ("old", "new"))
    for path in (old, new):
        path.write_bytes(b"half")
    os.utime(old, (0, time.time() - UNFINISHED_S - 60))
    contents_sweep()
    assert hashes_in(stored) == {file.sha256, new.name}


def test_a_failed_write_leaves_nothing(alice, stored: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(PantheonError) as caught:
        add(alice)
    assert caught.value.code == "unavailable"
    assert not File.objects.exists()
    assert hashes_in(stored) == set()


def test_a_content_removed_before_its_row_exists_is_stored_again(alice, stored: Path, settings: Any) -> None:
    """Somebody else deletes a file with the same content at that moment."""
    with storage_of("LosingStorage", settings, stored):
        file = add(alice)
    assert hashes_in(stored) == {file.sha256}


def at_once(*work: Callable[[], Any]) -> None:
    together = threading.Barrier(len(work))

    def run(function: Callable[[], Any]) -> None:
        try:
            together.wait()
            function()
        finally:
            connections.close_all()

    with ThreadPoolExecutor(len(work)) as threads:
        for result in [threads.submit(run, function) for function in work]:
            result.result()


def test_uploads_and_deletions_of_the_same_content_at_once(alice, bob, stored: Path) -> None:
    """Whatever the order, each remaining row has its content, and no content is left without a row."""
    for _ in range(5):
        files = [add(alice), add(bob)]
        at_once(
            lambda: add(alice),
            partial(file_delete, file=files[0]),
            partial(file_delete, file=files[1]),
            contents_sweep,
        )
        assert hashes_in(stored) == set(File.objects.values_list("sha256", flat=True))
        for file in File.objects.all():
            file_delete(file=file)
        assert hashes_in(stored) == set()


def test_uploads_at_once_stay_within_the_quota(alice, stored: Path, settings: Any) -> None:
    settings.PANTHEON_FILES_PER_USER_MIB = 1
    refused = []

    def upload(number: int) -> None:
        try:
            add(alice, f"{number}" * 400_000)
        except PantheonError as error:
            refused.append(error.code)

    at_once(*(partial(upload, number) for number in range(5)))
    assert refused == ["file_quota_exceeded"] * 3
    assert File.objects.count() == len(hashes_in(stored)) == 2


def test_a_person_gets_their_files_with_their_contents(alice, bob, session, stored: Path) -> None:
    text = "The rent. " * 8_000  # several pieces
    sent, lost = add(alice, text), add(alice, "Lost.")
    send(session, sent)
    file_delete(file=sent)
    add(bob, "Not hers.")
    (stored / lost.sha256[:2] / lost.sha256).unlink()
    first, second = json.loads("".join(person_json(alice)))["files"]
    assert base64.b64decode(first["content_base64"]).decode() == text
    assert (first["name"], first["text"], first["sha256"]) == ("lease.txt", text, sent.sha256)
    assert (second["id"], second["content_base64"]) == (str(lost.pk), None)
    assert "search_text" not in first


def test_an_exported_session_names_its_files(alice, session, stored: Path) -> None:
    send(session, add(alice))
    assert "## User\n\nLook.\n\nFiles: lease.txt\n" in "".join(session_markdown(session))
    [turn] = json.loads("".join(session_json(session)))["turns"]
    assert [file["name"] for file in turn["files"]] == ["lease.txt"]
