"""The whole description against a live server: whatever is sent, nothing breaks, and every answer is as it says.

Schemathesis makes the requests, from the description alone; half of them are about things that exist.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from accounts.tests.support.clients import bearer, make_user
from pantheon.api_schema import document
from sessions.models import Summary, Turn
from sessions.tests.factories import make_agent, make_file, make_model, make_room, make_session
from sessions.tests.support.server_process import ServerProcess, until

pytestmark = pytest.mark.django_db(transaction=True)

CHECKS: list[Any] = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
ORDER = ("get", "post", "patch", "put", "delete")
EXAMPLES = 8
"""Number of requests per operation and kind: valid ones and invalid ones."""

AS_MANY = settings(
    max_examples=EXAMPLES,
    deadline=None,
    database=None,
    derandomize=True,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)

MOST_S = 90.0
"""Time after which no further example starts; by then each operation has had its first ones."""

SOUND: dict[str, Any] = {
    "POST /api/v1/admin/budgets": {"scope": "everyone", "limit_usd": "1000", "hard": False},
    "PATCH /api/v1/admin/budgets/{budget_id}": {"limit_usd": "2000"},
    "POST /api/v1/admin/invitations": {"email": "dave@example.com"},
    "PATCH /api/v1/admin/invitations/{invitation_id}": {"days": 7},
    "POST /api/v1/admin/users/{user_id}/suspend": {},
    "POST /api/v1/admin/users/{user_id}/reactivate": {},
    "POST /api/v1/files": {"file": b"The rent is 1,200."},
    "POST /api/v1/agents": {"key": "cy", "name": "Cy", "role_prompt": "Doubt."},
    "PATCH /api/v1/agents/{agent_id}": {"name": "Anna"},
    "POST /api/v1/agents/{agent_id}/sessions": {"title": "Alone"},
    "POST /api/v1/rooms": {"name": "Second", "mode": "manual"},
    "PATCH /api/v1/rooms/{room_id}": {"mode": "roundtable"},
    "POST /api/v1/rooms/{room_id}/sessions": {"title": "Another"},
    "PATCH /api/v1/sessions/{session_id}": {"title": "Renamed", "pinned": True},
    "POST /api/v1/sessions/{session_id}/fork": {"after_turn": 1},
    "POST /api/v1/turns/{turn_id}/rerun": {"message": "And then?"},
    "POST /api/v1/sessions/{session_id}/turns": {"message": "And now?"},
    "POST /api/v1/sessions/{session_id}/summaries": {},
    "POST /api/v1/sessions/{session_id}/turns/estimate": {"message": "And now?"},
    "PATCH /api/v1/summaries/{summary_id}": {"text": "It was said."},
    "POST /v1/chat/completions": {"model": "agent:ana", "messages": [{"role": "user", "content": "Hello?"}]},
    "PUT /api/v1/rooms/{room_id}/agents": [],
}
"""Operation -> a valid body, because generated ones are rarely accepted."""

NOT_TAKEN = {"POST /api/v1/turns/{turn_id}/retry", "POST /api/v1/turns/{turn_id}/cancel"}
"""Operations that cannot succeed here: no turn has failed, and none is running."""

UNLIMITED = {
    "PANTHEON_REQUESTS_PER_MINUTE": "0",
    "PANTHEON_TOKEN_TURNS_PER_MINUTE": "0",
    "PANTHEON_TOKEN_TURNS_PER_HOUR": "0",
    "PANTHEON_DEMO_WORDS_PER_S": "100000",
    "PANTHEON_WAIT_S": "2",
    "PANTHEON_LOG_LEVEL": "WARNING",
}


class Council:
    """The existing objects and their owner."""

    def __init__(self) -> None:
        self.alice = make_user("alice", is_staff=True, is_superuser=True)
        self.authorization = bearer(self.alice)
        model = make_model()
        self.agents = [make_agent(self.alice, key, model) for key in ("ana", "bob")]
        self.room = make_room(self.alice, *self.agents, mode="orchestrator", goal="Decide well.")
        self.session = make_session(self.alice, self.room)
        self.file = make_file(self.alice)

    def speak(self, server: ServerProcess) -> None:
        """Create a turn and a summary."""
        path = f"sessions/{self.session.pk}"
        server.post(f"{path}/turns", {"message": "Shall we?", "background": True})
        until(lambda: Turn.objects.get().is_final)
        server.post(f"{path}/summaries", {})
        until(lambda: Summary.objects.exists() and not Turn.objects.active().exists())
        for path, body in (
            ("admin/invitations", {"email": "carol@example.com"}),
            ("admin/budgets", {"scope": "everyone", "limit_usd": "1000"}),
        ):
            assert server.post(path, body)[0] == 201

    def ids(self, server: ServerProcess) -> dict[str, str]:
        return {
            "agent_id": str(self.agents[0].pk),
            "room_id": str(self.room.pk),
            "session_id": str(self.session.pk),
            "turn_id": str(Turn.objects.spoken().get().pk),
            "summary_id": str(Summary.objects.get().pk),
            "file_id": str(self.file.pk),
            "model": f"room:{self.room.pk}",
            "user_id": str(make_user("bob").pk),
            "token_id": server.get("auth/tokens")[1]["results"][0]["id"],
            "budget_id": server.get("admin/budgets")[1]["results"][0]["id"],
            "invitation_id": server.get("admin/invitations")[1]["results"][0]["id"],
        }


@pytest.fixture
def council() -> Council:
    return Council()


@pytest.fixture
def server(council, tmp_path) -> Iterator[ServerProcess]:
    with ServerProcess(tmp_path, council.authorization, **UNLIMITED) as server:
        council.speak(server)
        yield server
        print(server.log())  # noqa: T201  (pytest shows it with a failure)


def every_operation() -> list[Any]:
    schema = schemathesis.openapi.from_dict(document())
    results: list[Any] = list(schema.get_all_operations())
    found = [result.ok() for result in results]
    return sorted(found, key=lambda operation: (ORDER.index(operation.method.lower()), operation.path))


def examples_of(operation: Any, ids: dict[str, str]) -> st.SearchStrategy[Any]:
    """Return requests that the schema allows and that it forbids, both with ids of existing objects."""
    names = [parameter.name for parameter in operation.path_parameters]
    known = {name: ids[name] for name in names}
    made = []
    for mode in (schemathesis.GenerationMode.POSITIVE, schemathesis.GenerationMode.NEGATIVE):
        if mode is schemathesis.GenerationMode.NEGATIVE and not operation.body:
            continue
        made.append(operation.as_strategy(mode))
        if known:
            made += [operation.as_strategy(mode, path_parameters=known)] * 2
    return st.one_of(made)


def test_no_request_breaks_it_and_every_answer_is_as_described(council, server) -> None:
    address, ids = f"http://127.0.0.1:{server.port}", council.ids(server)
    deadline = time.monotonic() + MOST_S
    asked: Counter[str] = Counter()

    def ask(case: Any) -> None:
        name = case.operation.label
        asked[name] += 1
        if time.monotonic() > deadline and asked[name] > 2:
            return
        about(case)
        headers = {"Authorization": council.authorization}
        case.call_and_validate(base_url=address, headers=headers, checks=CHECKS, timeout=30)

    for operation in every_operation():
        AS_MANY(given(case=examples_of(operation, ids))(ask))()
    assert len(asked) == sum(len(item) for item in document()["paths"].values())


def about(case: Any) -> None:
    """Let requests to the OpenAI-compatible endpoint name an existing agent."""
    if case.path.endswith("/chat/completions") and isinstance(case.body, dict) and "model" in case.body:
        case.body["model"] = "agent:ana"


def test_what_is_taken_is_answered_as_described(council, server) -> None:
    address, ids = f"http://127.0.0.1:{server.port}", council.ids(server)
    headers = {"Authorization": council.authorization}
    operations = {operation.label: operation for operation in every_operation()}
    writes = {label for label in operations if label.split()[0] in ("POST", "PATCH", "PUT")}
    assert writes == {*SOUND, *NOT_TAKEN}
    for label, body in SOUND.items():
        operation = operations[label]
        names = [parameter.name for parameter in operation.path_parameters]
        media_type = "multipart/form-data" if operation.path == "/api/v1/files" else "application/json"
        sent: dict[str, Any] = {"body": body, "media_type": media_type} if operation.body else {}
        case = operation.Case(path_parameters={name: ids[name] for name in names}, **sent)
        response = case.call_and_validate(base_url=address, headers=headers, checks=CHECKS, timeout=30)
        assert response.status_code < 300, (label, response.text)


def test_signed_out_every_answer_is_as_described(council, server) -> None:
    address, ids = f"http://127.0.0.1:{server.port}", council.ids(server)
    public = {"/api/v1/health", "/api/v1/ready"}
    for operation in every_operation():
        names = [parameter.name for parameter in operation.path_parameters]
        case = operation.Case(path_parameters={name: ids[name] for name in names})
        response = case.call(base_url=address, headers={"Content-Type": "application/json"}, data=b"{}")
        case.validate_response(response, checks=CHECKS)
        assert response.status_code == (200 if operation.path in public else 401), operation.label
