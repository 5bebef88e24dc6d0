"""Common rules of all endpoints of agents, rooms, sessions, messages and models, tested alike on each."""

from __future__ import annotations

import pytest
from django.test import Client

from accounts.models import User
from accounts.tests.support.clients import (
    CSRF_TOKEN,
    bearer,
    browser_of,
    client_of,
    refused,
)
from sessions.tests.support.endpoints import (
    ENDPOINTS,
    WRITES,
    Endpoint,
    Ids,
    alice,
    bob,
    each,
    ids,
    send,
    stored,
    url,
)

__all__ = ["alice", "bob", "ids"]

pytestmark = pytest.mark.django_db


METHODS = ("get", "post", "put", "patch", "delete", "options", "trace")


PATHS = sorted({endpoint.path for endpoint in ENDPOINTS})


READS = [endpoint for endpoint in ENDPOINTS if endpoint.method == "get"]


WITH_ID = [endpoint for endpoint in ENDPOINTS if "{" in endpoint.path]


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
