"""Files in chat completions: none stays open after a request, however many there are and whatever is wrong."""

from __future__ import annotations

import asyncio
import base64
import gc
import os
from collections.abc import Iterator
from typing import Any

import pytest
from django.test import Client

from orchestration.tests.providers import OpenAIServer
from sessions.api.openai_compatible.parsing import IN_MEMORY_BYTES, SentFile, SentFiles, with_sent_files
from sessions.models import File
from sessions.tests.factories import make_agent, make_model
from sessions.tests.support.completions import ask, client, content, refused
from sessions.tests.support.uploads import stored
from web.errors import ValidationFailed

__all__ = ["client", "stored"]

TINY = "data:text/plain;base64,YQ=="
LARGE = "data:text/plain;base64," + base64.b64encode(b"word " * (IN_MEMORY_BYTES // 4)).decode()


def part(url: str = TINY, **fields: Any) -> dict[str, Any]:
    return {"type": "file", "file": {"file_data": url, **fields}}


def numbered(number: int) -> dict[str, Any]:
    url = f"data:text/plain;base64,{base64.b64encode(f'text {number}'.encode()).decode()}"
    return part(url, filename=f"{number}.txt")


def messages(*parts: dict[str, Any], role: str = "user") -> list[dict[str, Any]]:
    question = {"role": "user", "content": "What is it?"}
    return [{"role": role, "content": [{"type": "text", "text": "Read."}, *parts]}, question]


@pytest.fixture
def no_collection() -> Iterator[None]:
    """Let nothing be closed by the garbage collector."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def open_files() -> int:
    return len(os.listdir("/dev/fd"))


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("stored", "no_collection")
@pytest.mark.parametrize(
    ("sent", "status", "code"),
    [
        (messages(*[{"file": {"file_data": TINY}}] * 3_000), 400, "invalid_parameter"),
        (messages(*[part()] * 50, role="assistant"), 400, "invalid_parameter"),
        (messages(*[part(filename="a.txt")] * 3_000), 422, "validation_error"),
        (messages(*[part()] * 3_000), 422, "validation_error"),
        (messages(*map(numbered, range(500))), 422, "validation_error"),
        (messages(part(LARGE), {"type": "input_audio"}), 400, "invalid_parameter"),
        (messages(part(LARGE), part("data:text/plain;base64,AAEC")), 422, "unsupported_file"),
    ],
    ids=["no type", "wrong role", "one with a name", "one without", "different", "wrong part", "unreadable"],
)
def test_a_refused_request_leaves_no_file_open(
    client: Client, alice: Any, openai_server: OpenAIServer, sent: Any, status: int, code: str
) -> None:
    make_agent(alice, "ana", make_model(openai_server, "reading"))
    refused(ask(client, "agent:ana", "Hi", stream=1), 400, "invalid_parameter", "stream")
    before = open_files()
    response = ask(client, "agent:ana", sent)
    assert (response.status_code, response.json()["error"]["code"]) == (status, code)
    assert open_files() <= before + 2  # connections
    assert not File.objects.exists()


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("stored")
def test_a_file_may_be_repeated_in_a_conversation(
    client: Client, alice: Any, openai_server: OpenAIServer
) -> None:
    make_agent(alice, "ana", make_model(openai_server, "reading"))
    history = [line for _ in range(12) for line in messages(part(filename="a.txt"))[:1]]
    assert content(ask(client, "agent:ana", [*history, {"role": "user", "content": "What is it?"}]))
    assert File.objects.count() == 1


def test_nothing_is_decoded_if_there_are_too_many() -> None:
    files = SentFiles()
    body = {"messages": messages(*map(numbered, range(11)))}
    with pytest.raises(ValidationFailed):
        with_sent_files(body, files)
    parts = body["messages"][0]["content"][1:]
    assert not any(isinstance(part["file"]["file_data"], SentFile) for part in parts)


@pytest.mark.parametrize(
    "url",
    [
        "data:text/plain;base64," + "%" * 5_000_000,
        "data:text/plain;base64," + "YWJj\n" * 1_000_000,
        "data:text/plain" + ";a=b" * 1_000_000 + ";base64,YQ==",
        "data:" + "a" * 5_000_000,
        "https://example.com/" + "a" * 5_000_000,
    ],
    ids=["other characters", "line ends", "parameters", "no content", "no data"],
)
def test_only_the_beginning_of_a_wrong_url_is_kept(url: str) -> None:
    body = {"messages": messages(part(url))}
    with_sent_files(body, SentFiles())
    kept = body["messages"][0]["content"][1]["file"]["file_data"]
    assert not isinstance(kept, SentFile)
    assert len(kept) <= 500
    assert url.startswith(kept)


def test_a_file_parsed_after_the_client_has_gone_is_closed() -> None:
    files = SentFiles()
    files.close()
    body = {"messages": messages(part())}
    with_sent_files(body, files)
    assert body["messages"][0]["content"][1]["file"]["file_data"].content.closed


def test_closing_leaves_a_file_to_its_conversion_for_a_while() -> None:
    files = SentFiles()
    body = {"messages": messages(part(), part(LARGE))}
    with_sent_files(body, files)
    converting, other = (part["file"]["file_data"] for part in body["messages"][0]["content"][1:])

    async def leave() -> None:
        files.leave(converting, close_after_s=0)
        files.close()
        assert (converting.content.closed, other.content.closed) == (False, True)
        await asyncio.sleep(0.01)

    asyncio.run(leave())
    assert converting.content.closed
