"""Images end to end: what is at the provider on both wires, what is billed, and what happens without them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from orchestration.tests.providers import Answer, ProviderServer
from orchestration.tests.providers.server import IMAGE_TOKENS
from sessions.files.storage import name_of
from sessions.models import Call, File
from sessions.selectors.calibration import observations
from sessions.tests.conftest import Api
from sessions.tests.factories import make_agent, make_model, make_session
from sessions.tests.support.budgeting import budget
from sessions.tests.support.councils import ROUTE, SYNTHESIZE, council, decision, says
from sessions.tests.support.documents import image, pdf
from sessions.tests.support.ledger import assert_ledger_matches
from sessions.tests.support.uploads import stored, uploaded

__all__ = ["stored"]

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("stored")]

UNSEEN = '[The image "flat.png" is attached, but cannot be seen: this model does not take images.]'


@pytest.fixture(params=["openai", "anthropic"])
def wire(request: Any) -> str:
    return str(request.param)


@pytest.fixture
def server(request: Any, wire: str) -> ProviderServer:
    server: ProviderServer = request.getfixturevalue(f"{wire}_server")
    return server


@pytest.fixture
def agents(alice, server, wire) -> list[Any]:
    seeing = make_model(server, "seeing", kind=wire, vision=True)
    blind = make_model(server, "blind", kind=wire)
    return [make_agent(alice, "ana", seeing), make_agent(alice, "bob", blind)]


@pytest.fixture
def photo(api: Api) -> dict[str, Any]:
    return uploaded(api, image("PNG", (80, 60)), "flat.png")


def content_of(photo: dict[str, Any], stored: Path) -> bytes:
    return (stored / name_of(File.objects.get(pk=photo["id"]).sha256)).read_bytes()


def ask(api: Api, url: str, *files: dict[str, Any], message: str = "@all What is this?") -> dict[str, Any]:
    response = api.post(url, {"message": message, "files": [file["id"] for file in files]})
    assert response.status_code == 201, response.json()
    return dict(response.json())


@pytest.mark.parametrize("mode", ["manual", "roundtable"])
def test_a_model_that_sees_gets_the_image_and_another_its_name(
    api, alice, agents, server, photo, stored, mode
) -> None:
    lease = uploaded(api, pdf("Rent: 1,200"), "lease.pdf")
    turn = ask(api, council(alice, agents, mode=mode), lease, photo)
    assert turn["status"] == "completed"
    for served in server.served:
        text = server.request_text(served.body)
        assert '<file name="lease.pdf" pages="1">' in text
        if served.body["model"] == "seeing":
            assert server.images(served.body) == [content_of(photo, stored)]
            assert '[Image "flat.png"]' in text
        else:
            assert server.images(served.body) == []
            assert f"{UNSEEN}\n\n@all What is this?" in text
    unseen = {call.agent_key: call.context["images_unseen"] for call in Call.objects.filter(purpose="reply")}
    assert unseen == {"ana": 0, "bob": 1}
    assert_ledger_matches(server)


def test_a_council_with_a_manager(api, alice, agents, server, photo, stored) -> None:
    server.when(ROUTE, Answer(decision(("ana", "Look."), ("bob", "Think."))))
    for key in ("ana", "bob"):
        server.when(says(key), Answer(f"I am {key}."))
    server.when(SYNTHESIZE, Answer("A flat."))
    ask(api, council(alice, agents, mode="orchestrator"), photo, message="What is this?")
    seen = [len(server.images(served.body)) for served in server.served]
    assert (seen[0], sorted(seen[1:3]), seen[3]) == (0, [0, 1], 1)
    assert '[The image "flat.png" is attached.]' in server.request_text(server.served[0].body)
    assert_ledger_matches(server)


def test_an_image_stays_in_the_conversation(api, alice, agents, server, photo, stored) -> None:
    url = f"sessions/{make_session(alice, agents[0]).pk}/turns"
    ask(api, url, photo)
    ask(api, url, message="And now?")
    first, second = (served.body for served in server.served)
    assert server.images(second) == [content_of(photo, stored)]
    text = json.dumps(second["messages"][0]).replace(', "cache_control": {"type": "ephemeral"}', "")
    assert text == json.dumps(first["messages"][0]).replace(', "cache_control": {"type": "ephemeral"}', "")


def test_what_is_held_covers_an_image(api, alice, agents, server, photo) -> None:
    budget(10**12, "user", target_id=alice.pk)
    ask(api, council(alice, agents[:1], mode="manual"), photo)
    bound = Call.objects.get(purpose="reply").context["input_bound"]
    assert bound > IMAGE_TOKENS
    assert_ledger_matches(server)


def test_a_server_that_refuses_images_teaches_the_catalogue(api, alice, agents, server, photo) -> None:
    error = {"type": "invalid_request_error", "message": "This model does not support image input"}
    server.queue(Answer(status=400, body=json.dumps({"error": error}).encode()))
    turn = ask(api, f"sessions/{make_session(alice, agents[0]).pk}/turns", photo)
    assert turn["status"] == "completed"
    assert [len(server.images(served.body)) for served in server.served] == [1, 0]
    assert UNSEEN in server.request_text(server.served[-1].body)
    last = Call.objects.latest("number")
    assert last.context["images_unseen"] == 1
    models = {model["alias"]: model["vision"] for model in api.get("models").json()["results"]}
    assert models == {"seeing": False, "blind": False}
    agents[0].model.refresh_from_db()
    assert agents[0].model.unsupported["images"]["reason"].startswith("HTTP 400")
    assert_ledger_matches(server)


def test_a_content_that_is_missing_is_a_clear_failure(api, alice, agents, server, photo, stored) -> None:
    (stored / name_of(File.objects.get(pk=photo["id"]).sha256)).unlink()
    turn = ask(api, council(alice, agents, mode="manual"), photo)
    assert (turn["status"], turn["error"]["code"]) == ("partial", "internal_error")
    assert "flat.png" in turn["error"]["message"]
    assert [served.body["model"] for served in server.served] == ["blind"]
    assert next(step for step in turn["steps"] if step["agent_key"] == "ana")["cost_usd"] in (
        "0",
        "0.00",
        None,
        "0.000000",
    )


def test_a_call_with_an_image_does_not_calibrate_estimates(api, alice, agents, server, photo) -> None:
    url = f"sessions/{make_session(alice, agents[0]).pk}/turns"
    ask(api, url, photo, message="word " * 500)
    assert Call.objects.get().context["image_tokens"] > IMAGE_TOKENS
    assert observations(alice.pk)[agents[0].model_id].calibration == 1.0
