"""Rules for request bodies, for every endpoint."""

from __future__ import annotations

import json
import re

import pytest
from django.conf import settings as project

from accounts.models import User
from accounts.tests.support.clients import (
    bearer,
    client_of,
    invalid,
    refused,
    send_chunked,
)
from sessions.tests.support.endpoints import (
    AGENT,
    ROOM,
    WRITES,
    Endpoint,
    Ids,
    alice,
    each,
    ids,
    send,
    stored,
    url,
)

__all__ = ["alice", "ids"]

pytestmark = pytest.mark.django_db


MIB = 1024 * 1024


WITH_BODY = [endpoint for endpoint in WRITES if endpoint.method != "delete"]


NO_JSON = [
    b"{nonsense",
    b'{"name": "x"',
    b"{'name': 'x'}",
    b'{"name": NaN}',
    b'{"name": Infinity}',
    b'{"name": "\xff"}',
    b'\xff\xfe{\x00"',
    b"name=x",
    b" ",
    b"null",
    b"true",
    b"3",
    b'"text"',
    b"[" * 200_000,
    b'{"a":' * 100_000,
    b'{"name": ' + b"9" * 10_000 + b"}",
]


@each(WITH_BODY)
def test_anything_but_a_json_object_is_400(alice: User, ids: Ids, endpoint: Endpoint) -> None:
    client, before = client_of(alice), stored()
    for raw in NO_JSON:
        refused(send(client, endpoint, ids, raw), 400, "invalid_json")
    assert stored() == before


@each([endpoint for endpoint in WITH_BODY if endpoint.method != "put"])
def test_a_list_is_422(alice: User, ids: Ids, endpoint: Endpoint) -> None:
    client, before = client_of(alice), stored()
    for raw in (b"[]", b'[{"name": "x"}]', b"[[1], null]"):
        invalid(send(client, endpoint, ids, raw), "non_field_errors")
    assert stored() == before


@each(WITH_BODY)
def test_another_content_type_is_400(alice: User, ids: Ids, endpoint: Endpoint) -> None:
    before, body = stored(), json.dumps(endpoint.body)
    write = getattr(client_of(alice), endpoint.method)
    for content_type in ("", "text/plain", "application/x-www-form-urlencoded", "application/xml", "x" * 300):
        refused(write(url(endpoint.path, ids), data=body, content_type=content_type), 400, "invalid_json")
    assert stored() == before


@each(WITH_BODY)
def test_1_mib_is_taken_and_a_byte_more_is_413(alice: User, ids: Ids, endpoint: Endpoint) -> None:
    assert project.DATA_UPLOAD_MAX_MEMORY_SIZE == MIB
    body, before = json.dumps(endpoint.body).encode(), stored()
    error = refused(send(client_of(alice), endpoint, ids, body.ljust(MIB + 1)), 413, "payload_too_large")
    assert error["details"] == {"limit_bytes": MIB}
    assert stored() == before
    assert send(client_of(alice), endpoint, ids, body.ljust(MIB)).status_code == endpoint.status


@each(WITH_BODY)
def test_a_body_without_a_length_is_read_too(alice: User, ids: Ids, endpoint: Endpoint) -> None:
    body, before = json.dumps(endpoint.body).encode(), stored()
    address, authorization = url(endpoint.path, ids), bearer(alice)
    method = endpoint.method.upper()
    too_much = [body, b" " * (MIB - len(body)), b" "]
    refused(send_chunked(method, address, too_much, authorization), 413, "payload_too_large")
    refused(send_chunked(method, address, [b"{non", b"sense"], authorization), 400, "invalid_json")
    assert stored() == before
    response = send_chunked(method, address, [body[:1], body[1:]], authorization)
    assert response.status_code == endpoint.status, response.content
    if endpoint.method != "put":
        field, value = next(iter(endpoint.body.items()))
        assert response.json()[field] == value


TEXTS = [
    (Endpoint("post", "agents", body=AGENT), "key"),
    (Endpoint("post", "agents", body=AGENT), "name"),
    (Endpoint("post", "agents", body=AGENT), "role_prompt"),
    (Endpoint("post", "agents", body=AGENT), "model"),
    (Endpoint("patch", "agents/{agent}", body={}), "key"),
    (Endpoint("patch", "agents/{agent}", body={}), "name"),
    (Endpoint("patch", "agents/{agent}", body={}), "role_prompt"),
    (Endpoint("patch", "agents/{agent}", body={}), "model"),
    (Endpoint("patch", "agents/{agent}", body={}), "temperature"),
    (Endpoint("patch", "agents/{agent}", body={}), "max_output_tokens"),
    (Endpoint("post", "rooms", body=ROOM), "name"),
    (Endpoint("post", "rooms", body=ROOM), "goal"),
    (Endpoint("post", "rooms", body=ROOM), "mode"),
    (Endpoint("post", "rooms", body=ROOM), "manager_model"),
    (Endpoint("patch", "rooms/{room}", body={}), "name"),
    (Endpoint("patch", "rooms/{room}", body={}), "goal"),
    (Endpoint("patch", "rooms/{room}", body={}), "mode"),
    (Endpoint("patch", "rooms/{room}", body={}), "manager_model"),
    (Endpoint("patch", "rooms/{room}", body={}), "max_rounds"),
    (Endpoint("post", "rooms/{room}/sessions", body={}), "title"),
    (Endpoint("post", "agents/{agent}/sessions", body={}), "title"),
    (Endpoint("patch", "sessions/{session}", body={}), "title"),
]


@pytest.mark.parametrize(("endpoint", "field"), TEXTS, ids=str)
def test_text_that_no_database_stores_is_422(alice: User, ids: Ids, endpoint: Endpoint, field: str) -> None:
    client, before = client_of(alice), stored()
    for text in ("\ud800", "a\udfffb", "a\0b", "\0"):
        raw = json.dumps({**endpoint.body, field: text}).encode()
        assert re.search(rb"\\u(d|0000)", raw)
        invalid(send(client, endpoint, ids, raw), field)
    assert stored() == before


def test_ids_in_a_body_are_no_such_text_either(alice: User, ids: Ids) -> None:
    client = client_of(alice)
    for text in ("\ud800", "\0"):
        for method, path, body, field in (
            ("put", "rooms/{room}/agents", [text], "agents.0"),
            ("patch", "rooms/{room}", {"agents": [str(ids.agent), text]}, "agents.1"),
        ):
            response = send(client, Endpoint(method, path), ids, json.dumps(body).encode())
            invalid(response, field)
