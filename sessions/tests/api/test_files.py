"""Files: upload, list, download, delete, and who may."""

from __future__ import annotations

import hashlib
import io
import uuid
from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from accounts.tests.support.clients import make_user
from sessions.models import ChatSession, File
from sessions.services.chats import session_delete
from sessions.tests.factories import make_agent, make_file, make_session
from sessions.tests.support import documents
from sessions.tests.support.uploads import content_of, hashes_in, stored, upload, uploaded

__all__ = ["stored"]

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("nobody_runs", "stored"),
    pytest.mark.filterwarnings("ignore:StreamingHttpResponse must consume"),
]

MIB = 1024 * 1024


def test_an_uploaded_document_is_described_stored_and_read(api, alice, stored: Path) -> None:
    content = documents.pdf("The rent is due.")
    answer = upload(api, content, "lease.txt")
    assert answer.status_code == 201
    file = answer.json()
    sha256 = hashlib.sha256(content).hexdigest()
    text = "[Page 1]\n\nThe rent is due."
    assert file == {
        "id": file["id"],
        "name": "lease.txt",
        "media_type": "application/pdf",
        "kind": "text",
        "bytes": len(content),
        "tokens": -(-len(text) // 4),
        "sha256": sha256,
        "pages": 1,
        "width": None,
        "height": None,
        "created_at": file["created_at"],
    }
    assert answer["Location"] == f"/api/v1/files/{file['id']}"
    assert api.get(f"files/{file['id']}").json() == file
    assert api.get("files").json()["results"] == [file]
    assert api.get(f"files/{file['id']}/text").content.decode() == text
    assert content_of(api.get(f"files/{file['id']}/content")) == content
    assert hashes_in(stored) == {sha256}
    [path] = stored.glob("*/*")
    assert (path.stat().st_mode & 0o777, path.parent.stat().st_mode & 0o777) == (0o600, 0o700)


def test_an_image_is_stored_as_it_was_made(api, stored: Path) -> None:
    file = uploaded(api, documents.image("JPEG", (3000, 10)), "photo.jpg")
    assert (file["kind"], file["media_type"], file["width"], file["pages"]) == (
        "image",
        "image/jpeg",
        2048,
        None,
    )
    content = content_of(api.get(f"files/{file['id']}/content"))
    assert (len(content), hashlib.sha256(content).hexdigest()) == (file["bytes"], file["sha256"])
    assert api.get(f"files/{file['id']}/text").status_code == 404


def test_the_same_content_is_stored_once(api, stranger, stored: Path) -> None:
    files = [
        uploaded(client, b"The rent.", name)
        for client, name in ((api, "a.txt"), (api, "b.txt"), (stranger, "c"))
    ]
    assert len({file["id"] for file in files}) == 3
    assert len(hashes_in(stored)) == 1
    for file in files[:2]:
        assert api.delete(f"files/{file['id']}").status_code == 204
    assert len(hashes_in(stored)) == 1
    assert stranger.delete(f"files/{files[2]['id']}").status_code == 204
    assert hashes_in(stored) == set()


@pytest.mark.parametrize(
    ("content", "disposition"),
    [
        (documents.image("PNG"), "inline"),
        (documents.pdf("text"), "attachment"),
        (b"<html><script>alert(1)</script>text</html>", "attachment"),
        (b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>", "attachment"),
        (b"text", "attachment"),
    ],
)
@pytest.mark.parametrize("part", ["content", "text"])
def test_nothing_uploaded_is_served_as_a_page(api, content: bytes, disposition: str, part: str) -> None:
    file = uploaded(api, content, 'a "b"; ü.html')
    answer = api.get(f"files/{file['id']}/{part}")
    if part == "text":
        expected = 404 if disposition == "inline" else 200
        assert answer.status_code == expected
        if expected == 404:
            return
        assert answer["Content-Type"] == "text/plain; charset=utf-8"
    else:
        name = "a%20%22b%22%3B%20%C3%BC.html"
        assert answer["Content-Disposition"] == f"{disposition}; filename*=utf-8''{name}"
        is_image = disposition == "inline"
        assert answer["Content-Type"] == ("image/png" if is_image else "application/octet-stream")
    assert answer["Content-Security-Policy"] == "sandbox; default-src 'none'"
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert "no-store" in answer["Cache-Control"] or "private" in answer["Cache-Control"]


def test_an_unchanged_content_is_not_sent_again(api) -> None:
    file = uploaded(api, b"text")
    first = api.get(f"files/{file['id']}/content")
    again = api.get(f"files/{file['id']}/content", headers={"If-None-Match": first["ETag"]})
    assert (again.status_code, again.content) == (304, b"")
    head = api.client.head(f"/api/v1/files/{file['id']}/content")
    assert (head.status_code, head["Content-Length"], head.content) == (200, "4", b"")


@pytest.mark.parametrize("path", ["", "/content", "/text"])
def test_a_stranger_gets_404_for_every_path(api, stranger, alice, anonymous, path: str) -> None:
    file = uploaded(api, b"text")
    message = {"message": "Look.", "background": True, "files": [file["id"]]}
    session = make_session(alice, make_agent(alice, "ana"))
    api.post(f"sessions/{session.pk}/turns", message)
    for client, status in ((stranger, 404), (anonymous, 401), (api, 200)):
        assert client.get(f"files/{file['id']}{path}").status_code == status
        assert client.get(f"files/{uuid.uuid4()}{path}").status_code == (404 if status == 200 else status)
    assert stranger.delete(f"files/{file['id']}").status_code == 404
    assert stranger.get("files").json()["results"] == []
    assert File.objects.of(alice).count() == 1


def test_a_superuser_is_a_stranger(api, api_of) -> None:
    file = uploaded(api, b"text")
    root = api_of(make_user("root", is_staff=True, is_superuser=True))
    for path in ("", "/content", "/text"):
        assert root.get(f"files/{file['id']}{path}").status_code == 404


def test_writes_need_the_scope_chat(api, alice, api_of) -> None:
    file = uploaded(api, b"text")
    reader = api_of(alice, "read", "manage")
    assert upload(reader, b"text").status_code == 403
    assert reader.delete(f"files/{file['id']}").status_code == 403
    assert reader.get(f"files/{file['id']}").status_code == 200


def test_a_sent_file_stays_where_it_was_sent(api, alice, openai_model, stored: Path) -> None:
    session = make_session(alice, make_agent(alice, "ana", openai_model))
    file = uploaded(api, b"text")
    body = {"message": "Look.", "background": True, "files": [file["id"]]}
    assert api.post(f"sessions/{session.pk}/turns", body).status_code == 202
    assert api.delete(f"files/{file['id']}").status_code == 204
    assert api.get("files").json()["results"] == []
    assert api.delete(f"files/{file['id']}").status_code == 404
    assert content_of(api.get(f"files/{file['id']}/content")) == b"text"
    assert api.post(f"sessions/{session.pk}/turns", {**body, "index": 2}).status_code in (404, 409)
    session_delete(session=ChatSession.objects.get())
    for path in ("", "/content", "/text"):
        assert api.get(f"files/{file['id']}{path}").status_code == 404


REFUSED: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "unsupported_file"),
    "program": (b"\x7fELF\0\0", "unsupported_file"),
    "scanned": (documents.pdf(""), "unsupported_file"),
    "broken": (documents.docx("a")[:-40], "file_unreadable"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused_leaves_nothing(api, stored: Path, name: str) -> None:
    content, code = REFUSED[name]
    answer = upload(api, content)
    assert (answer.status_code, answer.json()["error"]["code"]) == (422, code)
    assert not File.objects.exists()
    assert hashes_in(stored) == set()


def test_files_are_limited_in_size(api, settings, stored: Path) -> None:
    settings.PANTHEON_FILE_MAX_MIB = 1
    assert upload(api, b"a" * MIB).status_code == 201
    answer = upload(api, b"a" * (MIB + 1))
    assert answer.status_code == 413
    error = answer.json()["error"]
    assert (error["code"], error["details"]) == ("payload_too_large", {"limit_bytes": MIB})
    assert File.objects.count() == 1


def test_files_of_a_person_are_limited_in_all(api, stranger, alice, settings, stored: Path) -> None:
    settings.PANTHEON_FILES_PER_USER_MIB = 1
    make_file(alice, bytes=MIB - 3)
    answer = upload(api, b"text")
    assert (answer.status_code, answer.json()["error"]["code"]) == (422, "file_quota_exceeded")
    assert answer.json()["error"]["details"] == {
        "used_bytes": MIB - 3,
        "limit_bytes": MIB,
        "needed_bytes": 4,
    }
    assert hashes_in(stored) == set()
    assert upload(stranger, b"text").status_code == 201
    assert upload(api, b"tex").status_code == 201
    assert upload(api, b"t").status_code == 422
    settings.PANTHEON_FILES_PER_USER_MIB = 0
    assert upload(api, b"t").status_code == 201


def test_a_small_document_counts_by_its_long_text(api, alice, settings) -> None:
    settings.PANTHEON_FILES_PER_USER_MIB = 1
    content = documents.epub("The rent is due. " * 40_000)
    assert len(content) < MIB // 100
    assert upload(api, content).status_code == 201
    answer = upload(api, content)
    assert (answer.status_code, answer.json()["error"]["code"]) == (422, "file_quota_exceeded")


def test_a_name_with_a_long_ending_is_shortened(api) -> None:
    body = multipart(("file", "x." + "a" * 300, b"text"))
    answer = api.client.post("/api/v1/files", body, content_type=MULTIPART)
    assert answer.status_code == 201, answer.content
    assert 0 < len(answer.json()["name"]) <= 255


def test_uploads_are_limited_in_number(api, api_of, alice, stranger, settings) -> None:
    settings.PANTHEON_UPLOADS_PER_MINUTE = 2
    assert upload(api, b"1").status_code == 201
    assert upload(api_of(alice), b"2").status_code == 201  # another token of hers
    answer = upload(api, b"3")
    assert (answer.status_code, answer.json()["error"]["code"]) == (429, "rate_limited")
    assert upload(stranger, b"4").status_code == 201
    assert api.get("files").status_code == 200


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("../../etc/passwd", "passwd"),
        ("C:\\Users\\ada\\lease.pdf", "lease.pdf"),
        ("a\u202efdp.exe", "afdp.exe"),
        ("a\u200b\u2066b.txt", "ab.txt"),
        ("n" * 600 + ".txt", "n" * 251 + ".txt"),
        ("Mie\u0301te & <b>.txt", "Miéte & <b>.txt"),
        ("a\tb c.txt", "ab c.txt"),
    ],
)
def test_a_name_is_never_a_path_nor_hides_what_it_is(alice, api, name: str, shown: str) -> None:
    body = multipart(("file", name, b"text"))
    answer = api.client.post("/api/v1/files", body, content_type=MULTIPART)
    assert answer.status_code == 201, answer.content
    assert answer.json()["name"] == shown


MULTIPART = "multipart/form-data; boundary=xyz"


def multipart(*parts: tuple[str, str | None, bytes], end: bytes = b"--xyz--\r\n") -> bytes:
    """A body as no browser would send it: names as they are."""
    body = b""
    for field, name, content in parts:
        quoted = (
            "" if name is None else '; filename="{}"'.format(name.replace("\\", "\\\\").replace("\n", " "))
        )
        head = f'--xyz\r\nContent-Disposition: form-data; name="{field}"{quoted}\r\n\r\n'
        body += head.encode() + content + b"\r\n"
    return body + end


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        multipart(("other", "a.txt", b"text")),
        multipart(("file", None, b"text")),
        multipart(("file", "n" * 5000, b"text")),
        multipart(("file", "a.txt", b"text"), ("file", "b.txt", b"text")),
        multipart(*[("file", "a.txt", b"text")] * 10_000),
        multipart(*[("field", None, b"text")] * 10_000),
        b"--xyz\r\n" * 10_000,
        b'--xyz\r\nContent-Disposition: form-data; name="file"; filename="a"\r\nA: ' + b"b" * 50_000,
    ],
    ids=["empty", "json", "other", "field", "name", "two", "parts", "fields", "boundaries", "head"],
)
def test_bodies_without_exactly_one_file_are_refused(api, stored: Path, body: bytes) -> None:
    answer = api.client.post("/api/v1/files", body, content_type=MULTIPART)
    assert answer.status_code in (400, 422), answer.content
    assert not File.objects.exists()
    assert hashes_in(stored) == set()


def test_a_body_of_another_type_is_refused(api) -> None:
    for content_type in ("application/json", "text/plain", "multipart/form-data", "application/octet-stream"):
        answer = api.client.post("/api/v1/files", b'{"file": "x"}', content_type=content_type)
        assert answer.status_code == 422, content_type
        assert "multipart/form-data" in str(answer.json())


def test_a_browser_uploads_with_its_csrf_token(alice) -> None:
    browser: Any = Client(enforce_csrf_checks=True)
    browser.force_login(alice)
    file = {"file": io.BytesIO(b"text")}
    assert browser.post("/api/v1/files", file).status_code == 403
    token = browser.cookies["pantheon_csrf"] = "t" * 32
    file["file"].seek(0)
    answer = browser.post("/api/v1/files", file, headers={"X-CSRFToken": token})
    assert answer.status_code == 201, answer.content
    assert File.objects.get().owner == alice
