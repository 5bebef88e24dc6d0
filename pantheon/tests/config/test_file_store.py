"""Contents in an S3-compatible store, over HTTP."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

import pytest

from pantheon.config.environment import files_storage
from sessions.files.converter.results import Converted
from sessions.files.storage import content_delete, content_exists, content_open
from sessions.models import File
from sessions.services.files import contents_sweep, file_add, file_delete
from sessions.tests.support.object_store import ObjectStore, object_store
from web.errors import PantheonError

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def store(settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[ObjectStore]:
    """A bucket in which contents are stored."""
    for name, value in {
        "ACCESS_KEY_ID": "key",
        "SECRET_ACCESS_KEY": "secret",
        "DEFAULT_REGION": "here",
    }.items():
        monkeypatch.setenv(f"AWS_{name}", value)
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    with object_store() as store:
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", store.url)
        before = settings.STORAGES
        settings.STORAGES = {**before, "files": files_storage("s3://bucket/council/files", settings.BASE_DIR)}
        yield store
        settings.STORAGES = before


def add(owner: Any, text: str = "The rent.") -> File:
    content = io.BytesIO(text.encode())
    return file_add(
        owner=owner, name="lease.txt", content=content, converted=Converted("text/plain", text=text)
    )


def test_a_content_is_stored_read_and_removed(alice, bob, store: ObjectStore) -> None:
    file, same = add(alice), add(bob)
    name = f"bucket/council/files/{file.sha256[:2]}/{file.sha256}"
    assert store.objects == {name: b"The rent."}
    with content_open(file.sha256) as content:
        assert content.read(4) == b"The "
        assert content.read() == b"rent."
    file_delete(file=file)
    assert content_exists(file.sha256)
    file_delete(file=same)
    assert store.objects == {}
    with pytest.raises(FileNotFoundError):
        content_open(file.sha256)


def test_what_nothing_needs_is_swept(alice, store: ObjectStore) -> None:
    file = add(alice)
    lost = "0" * 64
    store.objects[f"bucket/council/files/00/{lost}"] = b"lost"
    store.objects["bucket/somebody/else"] = b"not ours"
    assert contents_sweep() == 1
    assert set(store.objects) == {
        f"bucket/council/files/{file.sha256[:2]}/{file.sha256}",
        "bucket/somebody/else",
    }
    content_delete(lost)  # without an error


def test_a_store_that_is_down_refuses_the_upload(alice, store: ObjectStore) -> None:
    store.is_down = True
    with pytest.raises(PantheonError) as caught:
        add(alice)
    assert caught.value.code == "unavailable"
    assert not File.objects.exists()
