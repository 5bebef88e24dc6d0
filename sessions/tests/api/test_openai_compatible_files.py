"""Files in chat completions: parts with data URLs, what is refused, and what is kept of them."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from django.test import Client

from accounts.tests.support.bodies import body_of
from orchestration.tests.providers import OpenAIServer
from orchestration.tests.providers.server import IMAGE_TOKENS
from sessions.api.openai_compatible.parsing import SentFile, largest_completion_body
from sessions.models import ChatSession, File, MessageFile, Turn
from sessions.tests.conftest import Api
from sessions.tests.factories import make_agent, make_model
from sessions.tests.support.completions import ask, client, content, refused
from sessions.tests.support.documents import image, pdf
from sessions.tests.support.ledger import assert_ledger_matches
from sessions.tests.support.uploads import hashes_in, stored

__all__ = ["client", "stored"]

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("stored")]

PHOTO = image("PNG", (80, 60))
LEASE = pdf("Rent: 1,200")


@pytest.fixture(autouse=True)
def ana(alice, openai_server: OpenAIServer) -> Any:
    return make_agent(alice, "ana", make_model(openai_server, "seeing", vision=True))


def data_url(content: bytes, media_type: str = "application/octet-stream") -> str:
    return f"data:{media_type};base64,{base64.b64encode(content).decode()}"


def text_part(text: str) -> dict[str, Any]:
    return {"type": "text", "text": text}


def image_part(content: bytes = PHOTO, **fields: Any) -> dict[str, Any]:
    return {"type": "image_url", "image_url": {"url": data_url(content, "image/png"), **fields}}


def file_part(content: bytes = LEASE, name: str | None = "lease.pdf") -> dict[str, Any]:
    named = {"filename": name} if name else {}
    return {"type": "file", "file": {"file_data": data_url(content, "application/pdf"), **named}}


def user(*parts: dict[str, Any]) -> dict[str, Any]:
    return {"role": "user", "content": list(parts)}


def test_files_and_images_reach_the_agent_before_the_words(
    client: Client, openai_server: OpenAIServer
) -> None:
    response = ask(
        client, "agent:ana", [user(text_part("What is due?"), file_part(), image_part(detail="low"))]
    )
    assert content(response)
    (served,) = openai_server.served
    text = openai_server.request_text(served.body)
    assert '<file name="lease.pdf" pages="1">' in text
    assert "Rent: 1,200" in text
    assert text.index("Rent") < text.index('[Image "image-2.png"]') < text.index("What is due?")
    assert len(openai_server.images(served.body)) == 1
    usage = response.json()["usage"]
    assert usage["prompt_tokens"] == served.usage.total_input > IMAGE_TOKENS
    assert usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"]
    assert_ledger_matches(openai_server)


def test_a_conversation_keeps_the_files_of_its_messages(client: Client, openai_server: OpenAIServer) -> None:
    history = [
        user(text_part("Read this."), file_part()),
        {"role": "assistant", "content": "Done."},
        user(image_part()),
        {"role": "assistant", "content": "Seen."},
        user(text_part("And now?")),
    ]
    assert content(ask(client, "agent:ana", history))
    body = openai_server.served[-1].body
    messages = [message for message in body["messages"] if message["role"] != "system"]
    texts = [openai_server.request_text({"messages": [message]}) for message in messages]
    assert texts[0].startswith('<file name="lease.pdf"')
    assert texts[0].endswith("Read this.")
    assert texts[2].strip() == '[Image "image-1.png"]'
    assert texts[4] == "And now?"
    assert len(openai_server.images(body)) == 1
    snapshot = json.dumps(Turn.objects.get().snapshot)
    assert "Rent" not in snapshot
    assert "base64" not in snapshot


def test_files_sent_again_are_stored_once_and_in_no_list(client: Client, api: Api, stored) -> None:
    for _ in range(2):
        assert content(ask(client, "agent:ana", [user(text_part("Due?"), file_part(), image_part())]))
    assert File.objects.count() == 2
    assert MessageFile.objects.count() == 4
    assert api.get("files").json()["results"] == []
    assert len(hashes_in(stored)) == 2


def test_a_stream_has_files_too(client: Client, openai_server: OpenAIServer) -> None:
    response = ask(client, "agent:ana", [user(text_part("Due?"), file_part())], stream=True)
    assert b"[DONE]" in body_of(response)
    assert "Rent" in openai_server.request_text(openai_server.served[-1].body)


def test_a_repeated_request_converts_nothing(client: Client, openai_server: OpenAIServer) -> None:
    for _ in range(2):
        headers = {"Idempotency-Key": "one"}
        assert content(ask(client, "agent:ana", [user(text_part("Due?"), image_part())], headers))
    assert len(openai_server.served) == 1
    other = ask(client, "agent:ana", [user(text_part("Due?"), image_part(image("PNG", (9, 9))))], headers)
    assert other.status_code == 409


@pytest.mark.parametrize(
    "part",
    [
        {"type": "image_url", "image_url": {"url": "https://example.com/flat.png"}},
        {"type": "image_url", "image_url": {"url": "file:///etc/passwd"}},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,%%%"}},
        {"type": "image_url", "image_url": {"url": "data:image/png,abc"}},
        {"type": "image_url", "image_url": "data:image/png;base64,AAAA"},
        {"type": "image_url"},
        {"type": "file", "file": {"file_id": "file-1"}},
        {"type": "file", "file": {"file_data": "https://example.com/lease.pdf"}},
        {"type": "file", "file": {"file_data": 1}},
        {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}},
        {"type": "text"},
        "text",
    ],
)
def test_parts_that_are_refused_by_name(client: Client, openai_server: OpenAIServer, part: Any) -> None:
    error = refused(
        ask(client, "agent:ana", [{"role": "user", "content": [text_part("Look."), part]}]),
        400,
        "invalid_parameter",
        "messages",
    )
    assert "messages[0].content[1]" in error["message"]
    assert not openai_server.served
    assert not File.objects.exists()


@pytest.mark.parametrize("role", ["system", "assistant"])
def test_only_users_have_files(client: Client, role: str) -> None:
    messages = [{"role": role, "content": [text_part("x"), image_part()]}, user(text_part("Look."))]
    refused(ask(client, "agent:ana", messages), 400, "invalid_parameter", "messages")


def test_a_file_that_cannot_be_read_is_refused_and_nothing_stays(client: Client, stored) -> None:
    parts = [text_part("Look."), file_part(), file_part(b"\x00\x01\x02", "x.bin")]
    response = ask(client, "agent:ana", [user(*parts)])
    refused(response, 422, "unsupported_file")
    assert not File.objects.exists()
    assert not ChatSession.objects.exists()
    assert hashes_in(stored) == set()


def test_a_request_that_is_refused_leaves_no_file(client: Client, alice, openai_server) -> None:
    make_agent(alice, "tim", make_model(openai_server, "tiny", context_window=4_096))
    book = file_part(b"word " * 20_000, "book.txt")
    refused(ask(client, "agent:tim", [user(text_part("Read."), book)]), 422, "context_overflow")
    assert not File.objects.exists()
    refused(ask(client, "agent:nobody", [user(text_part("Read."), book)]), 404, "not_found", "model")
    assert not File.objects.exists()


def test_at_most_ten_files(client: Client) -> None:
    parts = [file_part(f"text {number}".encode(), f"{number}.txt") for number in range(11)]
    error = refused(
        ask(client, "agent:ana", [user(text_part("Read."), *parts)]), 422, "validation_error", "messages"
    )
    assert "at most 10 files" in error["message"]


def test_a_body_may_be_large_because_of_files_alone(client: Client, settings, api: Api) -> None:
    settings.PANTHEON_FILE_MAX_MIB = 1
    book = file_part(b"word " * 200_000, "book.txt")
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 100_000
    assert 2 * 1024 * 1024 * 4 / 3 < largest_completion_body() < 3_000_000
    response = ask(client, "agent:ana", [user(text_part("Read."), book)])
    refused(response, 422, "context_overflow")
    refused(ask(client, "agent:ana", "x" * 200_000), 413, "payload_too_large")
    huge = file_part(b"w" * 2_300_000, "book.txt")
    refused(ask(client, "agent:ana", [user(text_part("Read."), huge)]), 413, "payload_too_large")
    assert api.post("agents", {"key": "a", "name": "A" * 200_000}).status_code == 413


def test_files_together_have_at_most_twice_the_limit_of_one(client: Client, settings) -> None:
    settings.PANTHEON_FILE_MAX_MIB = 1
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 100_000
    books = [
        file_part(letter * 1_000_000, f"{number}.txt") for number, letter in enumerate([b"a", b"b", b"c"])
    ]
    refused(ask(client, "agent:ana", [user(text_part("Read."), *books)]), 413, "payload_too_large")


def test_a_file_above_the_limit_of_files(client: Client, settings) -> None:
    settings.PANTHEON_FILE_MAX_MIB = 1
    big = file_part(b"w" * 1_100_000, "book.txt")
    refused(ask(client, "agent:ana", [user(text_part("Read."), big)]), 413, "payload_too_large")


def test_equal_data_urls_are_equal_and_short() -> None:
    one, two = (SentFile.of_url(data_url(PHOTO, "image/png")) for _ in range(2))
    assert one is not None
    assert one == two
    assert len(one) < 120
    one.content.seek(0)
    assert one.content.read() == PHOTO
