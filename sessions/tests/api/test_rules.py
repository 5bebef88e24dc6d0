"""What all endpoints of agents, rooms, sessions, messages and models have in common, each asked the same."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from django.conf import settings as project
from django.test import Client

from accounts.models import User
from accounts.tests.support.clients import (
    CSRF_TOKEN,
    bearer,
    browser_of,
    client_of,
    invalid,
    make_user,
    refused,
    send_chunked,
)
from sessions.models import Agent, ChatSession, Room
from sessions.tests.factories import make_agent, make_room, make_session

pytestmark = pytest.mark.django_db

MIB = 1024 * 1024
METHODS = ("get", "post", "put", "patch", "delete", "options", "trace")


@dataclass(frozen=True)
class Endpoint:
    method: str
    path: str
    scope: str = "read"
    body: Any = None
    status: int = 200

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


@dataclass(frozen=True)
class Ids:
    agent: Any
    room: Any
    session: Any

    @classmethod
    def all(cls, value: str) -> Ids:
        return cls(value, value, value)


AGENT = {"key": "new", "name": "New", "role_prompt": "You are new."}
ROOM = {"name": "New", "mode": "manual"}
ENDPOINTS = [
    Endpoint("get", "models"),
    Endpoint("get", "agents"),
    Endpoint("post", "agents", "manage", AGENT, 201),
    Endpoint("get", "agents/{agent}"),
    Endpoint("patch", "agents/{agent}", "manage", {"name": "Renamed"}),
    Endpoint("delete", "agents/{agent}", "manage", None, 204),
    Endpoint("get", "rooms"),
    Endpoint("post", "rooms", "manage", ROOM, 201),
    Endpoint("get", "rooms/{room}"),
    Endpoint("patch", "rooms/{room}", "manage", {"name": "Renamed"}),
    Endpoint("delete", "rooms/{room}", "manage", None, 204),
    Endpoint("put", "rooms/{room}/agents", "manage", []),
    Endpoint("get", "rooms/{room}/sessions"),
    Endpoint("post", "rooms/{room}/sessions", "chat", {"title": "New"}, 201),
    Endpoint("get", "agents/{agent}/sessions"),
    Endpoint("post", "agents/{agent}/sessions", "chat", {"title": "New"}, 201),
    Endpoint("get", "sessions/{session}"),
    Endpoint("patch", "sessions/{session}", "chat", {"title": "Renamed"}),
    Endpoint("delete", "sessions/{session}", "chat", None, 204),
    Endpoint("get", "sessions/{session}/messages"),
]
PATHS = sorted({endpoint.path for endpoint in ENDPOINTS})
READS = [endpoint for endpoint in ENDPOINTS if endpoint.method == "get"]
WRITES = [endpoint for endpoint in ENDPOINTS if endpoint.method != "get"]
WITH_BODY = [endpoint for endpoint in WRITES if endpoint.method != "delete"]
WITH_ID = [endpoint for endpoint in ENDPOINTS if "{" in endpoint.path]
LISTS = ["agents", "rooms", "rooms/{room}/sessions", "agents/{agent}/sessions"]


def each(endpoints: list[Endpoint]) -> Any:
    return pytest.mark.parametrize("endpoint", endpoints, ids=str)


@pytest.fixture
def alice(db: None) -> User:
    return make_user("alice")


@pytest.fixture
def bob(db: None) -> User:
    return make_user("bob")


@pytest.fixture
def ids(alice: User) -> Ids:
    """An agent, its room, and a session there: all of them Alice's."""
    agent = make_agent(alice, "ana")
    room = make_room(alice, agent)
    return Ids(agent.pk, room.pk, make_session(alice, room).pk)


def url(path: str, ids: Ids) -> str:
    return "/api/v1/" + path.format(agent=ids.agent, room=ids.room, session=ids.session)


def send(client: Client, endpoint: Endpoint, ids: Ids, raw: bytes | None = None, **extra: Any) -> Any:
    """Send an endpoint's own body, or raw bytes in its place."""
    if raw is None and endpoint.body is not None:
        raw = json.dumps(endpoint.body).encode()
    body = {} if raw is None else {"data": raw, "content_type": "application/json"}
    return getattr(client, endpoint.method)(url(endpoint.path, ids), **body, **extra)


def stored() -> list[Any]:
    """Return everything that these endpoints may change."""
    models: list[Any] = [Agent, Room, Room.agents.through, ChatSession]
    return [list(model.objects.order_by("pk").values()) for model in models]


@each(ENDPOINTS)
def test_works_with_its_scope_alone(alice: User, ids: Ids, endpoint: Endpoint) -> None:
    response = send(client_of(alice, endpoint.scope), endpoint, ids)
    assert response.status_code == endpoint.status, response.content
    assert response["X-Request-ID"]
    if endpoint.status == 204:
        assert response.content == b""
    else:
        assert response["Content-Type"] == "application/json"


@each(ENDPOINTS)
def test_lacks_its_scope_with_all_others(alice: User, ids: Ids, endpoint: Endpoint) -> None:
    before = stored()
    others = [scope for scope in ("read", "chat", "manage") if scope != endpoint.scope]
    for asked in (ids, Ids.all("nonsense")):
        error = refused(send(client_of(alice, *others), endpoint, asked), 403, "permission_denied")
        assert error["details"] == {"scope": endpoint.scope}
    assert stored() == before


@each(ENDPOINTS)
def test_signed_out_is_401_whatever_the_id(ids: Ids, endpoint: Endpoint) -> None:
    before = stored()
    for asked in (ids, Ids.all("nonsense")):
        for authorization in ("", "Bearer pn_unknown"):
            response = send(Client(headers={"Authorization": authorization}), endpoint, asked)
            refused(response, 401, "not_authenticated")
            assert response["WWW-Authenticate"] == 'Bearer realm="Pantheon"'
    assert stored() == before


@each(WITH_ID)
def test_a_strangers_does_not_exist(bob: User, ids: Ids, endpoint: Endpoint) -> None:
    before = stored()
    error = refused(send(client_of(bob), endpoint, ids), 404, "not_found")
    assert error["details"] == {}
    assert stored() == before


@each([endpoint for endpoint in WITH_ID if endpoint.method != "delete"])
def test_the_deleted_does_not_exist(alice: User, ids: Ids, endpoint: Endpoint) -> None:
    client = client_of(alice)
    for path in ("sessions/{session}", "rooms/{room}", "agents/{agent}"):
        assert client.delete(url(path, ids)).status_code == 204
    before = stored()
    refused(send(client, endpoint, ids), 404, "not_found")
    assert stored() == before


@each(WITH_ID)
def test_a_malformed_id_does_not_exist(alice: User, ids: Ids, endpoint: Endpoint) -> None:
    client, before = client_of(alice), stored()
    for text in ("1", "nonsense", "%00", "%F0%9F%92%A9", "%ED%A0%80", "null", f"{ids.room}0", "0" * 3000):
        refused(send(client, endpoint, Ids.all(text)), 404, "not_found")
    refused(send(client, endpoint, Ids.all("00000000-0000-0000-0000-000000000000")), 404, "not_found")
    assert stored() == before


@each(WITH_ID)
def test_an_id_of_something_else_does_not_exist(alice: User, ids: Ids, endpoint: Endpoint) -> None:
    before = stored()
    shifted = Ids(agent=ids.room, room=ids.session, session=ids.agent)
    refused(send(client_of(alice), endpoint, shifted), 404, "not_found")
    assert stored() == before


@pytest.mark.parametrize("path", PATHS)
def test_other_methods_are_405(alice: User, ids: Ids, path: str) -> None:
    allowed = {endpoint.method for endpoint in ENDPOINTS if endpoint.path == path}
    client = client_of(alice, "read")
    for method in METHODS:
        if method not in allowed:
            response = getattr(client, method)(url(path, ids))
            refused(response, 405, "method_not_allowed")
            heads = {"head"} if "get" in allowed else set()
            assert {name.lower() for name in response["Allow"].split(", ")} == allowed | heads
    refused(client.generic("DISPATCH", url(path, ids)), 405, "method_not_allowed")


@each(READS)
def test_answers_json_whatever_is_asked_for(alice: User, ids: Ids, endpoint: Endpoint) -> None:
    client = client_of(alice)
    for accept in ("text/event-stream", "text/html", "application/xml;q=0.9", "nonsense"):
        for query in ("", "?format=xml", "?format=api", "?format="):
            response = client.get(url(endpoint.path, ids) + query, headers={"Accept": accept})
            assert response.status_code == 200, response.content
            assert response["Content-Type"] == "application/json"


@each(WRITES)
def test_a_write_too_answers_json_whatever_is_asked_for(alice: User, ids: Ids, endpoint: Endpoint) -> None:
    response = send(client_of(alice), endpoint, ids, headers={"Accept": "text/event-stream"})
    assert response.status_code == endpoint.status, response.content


@each(READS)
def test_a_cookie_reads(alice: User, ids: Ids, endpoint: Endpoint) -> None:
    assert send(browser_of(alice), endpoint, ids).status_code == 200


@each(WRITES)
def test_a_cookie_writes_with_a_csrf_token_alone(alice: User, ids: Ids, endpoint: Endpoint) -> None:
    browser, before = browser_of(alice), stored()
    refused(send(browser, endpoint, ids), 403, "csrf_failed")
    refused(send(browser, endpoint, ids, headers={"X-CSRFToken": "x" * 32}), 403, "csrf_failed")
    refused(send(browser, endpoint, ids, b"{nonsense"), 403, "csrf_failed")
    refused(send(browser, endpoint, Ids.all("nonsense")), 403, "csrf_failed")
    foreign = {"X-CSRFToken": CSRF_TOKEN, "Origin": "https://evil.example.com"}
    refused(send(browser, endpoint, ids, headers=foreign), 403, "csrf_failed")
    assert stored() == before
    assert send(browser, endpoint, ids, headers={"X-CSRFToken": CSRF_TOKEN}).status_code == endpoint.status


@each(WRITES)
def test_a_token_needs_no_csrf_token(alice: User, ids: Ids, endpoint: Endpoint) -> None:
    program = Client(enforce_csrf_checks=True, headers={"Authorization": bearer(alice)})
    assert send(program, endpoint, ids).status_code == endpoint.status


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
def test_what_is_no_json_object_is_400(alice: User, ids: Ids, endpoint: Endpoint) -> None:
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


@pytest.mark.parametrize("path", LISTS)
class TestLists:
    """Newest first, a page at a time."""

    @pytest.fixture
    def add(self, alice: User, ids: Ids, path: str) -> Callable[[int], str]:
        def add(number: int) -> str:
            match path:
                case "agents":
                    row: Any = make_agent(alice, f"agent-{number}")
                case "rooms":
                    row = make_room(alice, name=f"Room {number}")
                case "rooms/{room}/sessions":
                    row = make_session(alice, Room.objects.get(pk=ids.room))
                case _:
                    row = make_session(alice, Agent.objects.get(pk=ids.agent))
            return str(row.pk)

        return add

    @pytest.fixture
    def client(self, alice: User) -> Client:
        return client_of(alice)

    @staticmethod
    def shown(page: Any) -> list[str]:
        return [row["id"] for row in page["results"]]

    def test_is_newest_first(self, client: Client, ids: Ids, path: str, add: Callable[[int], str]) -> None:
        existing = self.shown(client.get(url(path, ids)).json())
        added = [add(number) for number in range(3)]
        page = client.get(url(path, ids)).json()
        assert page.keys() == {"next", "previous", "results"}
        assert self.shown(page) == [*reversed(added), *existing]
        assert (page["next"], page["previous"]) == (None, None)

    def test_pages_stay_what_they_are_while_rows_are_added(
        self, client: Client, ids: Ids, path: str, add: Callable[[int], str]
    ) -> None:
        for number in range(5):
            add(number)
        everything = self.shown(client.get(url(path, ids)).json())
        page = client.get(url(path, ids) + "?limit=2").json()
        seen = self.shown(page)
        assert len(seen) == 2
        pages = [page]
        while page["next"]:
            add(100 + len(pages))
            page = client.get(page["next"]).json()
            pages.append(page)
            seen += self.shown(page)
        assert seen == everything
        back = client.get(pages[2]["previous"]).json() if len(pages) > 2 else pages[0]
        assert self.shown(back) == everything[2:4]

    def test_50_at_first_200_at_most(
        self, client: Client, ids: Ids, path: str, add: Callable[[int], str]
    ) -> None:
        for number in range(52):
            add(number)
        assert len(self.shown(client.get(url(path, ids)).json())) == 50
        assert len(self.shown(client.get(url(path, ids) + "?limit=200").json())) >= 52

    def test_another_limit_is_400(self, client: Client, ids: Ids, path: str) -> None:
        for limit in ("0", "201", "-1", "", "ten", "1e2", "٣", "9" * 5000):
            error = refused(client.get(url(path, ids), {"limit": limit}), 400, "invalid_parameter")
            assert error["details"] == {"parameter": "limit"}

    def test_another_cursor_is_400(self, client: Client, ids: Ids, path: str) -> None:
        for cursor in ("nonsense", "%00", "cD1ub25zZW5zZQ==", "bz0tMQ=="):
            error = refused(client.get(url(path, ids), {"cursor": cursor}), 400, "invalid_parameter")
            assert error["details"] == {"parameter": "cursor"}

    def test_takes_as_many_queries_for_many_as_for_one(
        self, client: Client, ids: Ids, path: str, add: Callable[[int], str], django_assert_num_queries
    ) -> None:
        add(0)
        client.get(url(path, ids))  # notes the token's use
        # The token, the place whose list it is, the list, and who sits in each room.
        queries = {"agents": 2, "rooms": 3}.get(path, 3)
        with django_assert_num_queries(queries):
            client.get(url(path, ids))
        for number in range(1, 6):
            add(number)
        with django_assert_num_queries(queries):
            assert len(self.shown(client.get(url(path, ids)).json())) >= 6

    def test_a_stranger_sees_none_of_it(self, bob: User, ids: Ids, path: str) -> None:
        response = client_of(bob).get(url(path, ids))
        if "{" in path:
            refused(response, 404, "not_found")
        else:
            assert response.json()["results"] == []
