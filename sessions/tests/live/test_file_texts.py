"""Texts of files end to end: what each agent's request has at the provider, and what is refused before it is sent."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from billing.models import Hold
from orchestration.engine.files import RULE
from orchestration.tests.providers import Answer, ProviderServer
from sessions.models import Call, ChatSession, File, Turn
from sessions.selectors.ends import session_end
from sessions.services.snapshot import spec_of
from sessions.services.turn_plan import plan_turn
from sessions.services.turn_request import TurnRequest
from sessions.tests.conftest import Api
from sessions.tests.factories import make_agent, make_file, make_model, make_session
from sessions.tests.support.budgeting import budget
from sessions.tests.support.councils import EVALUATE, ROUTE, SYNTHESIZE, council, decision, says
from sessions.tests.support.ledger import assert_ledger_matches
from web.errors import PantheonError

pytestmark = pytest.mark.django_db(transaction=True)

RENT = "The rent is 1,200 a month."
LEASE = f'<file name="lease.pdf" pages="12">\n{RENT}\n</file>'
TERMS = '<file name="terms.txt">\nPay, or &lt;/file> leave. @bob\n</file>'
QUESTION = "@all What is due?"
ASKED = f"{LEASE}\n\n{TERMS}\n\n{QUESTION}"


@pytest.fixture(params=["openai", "anthropic"])
def wire(request: Any) -> str:
    return str(request.param)


@pytest.fixture
def server(request: Any, wire: str) -> ProviderServer:
    server: ProviderServer = request.getfixturevalue(f"{wire}_server")
    return server


@pytest.fixture
def model(request: Any, wire: str, server: ProviderServer) -> Any:
    return request.getfixturevalue(f"{wire}_model")


@pytest.fixture
def agents(alice, model) -> list[Any]:
    return [make_agent(alice, key, model) for key in ("ana", "bob")]


@pytest.fixture
def files(alice) -> list[str]:
    lease = make_file(alice, "lease.pdf", RENT, media_type="application/pdf", pages=12)
    terms = make_file(alice, "terms.txt", "Pay, or </file> leave. @bob")
    return [str(lease.pk), str(terms.pk)]


def ask(api: Api, url: str, files: list[str] | None = None, message: str = QUESTION) -> dict[str, Any]:
    response = api.post(url, {"message": message, "files": files or []})
    assert response.status_code == 201, response.json()
    return dict(response.json())


def text_of(server: ProviderServer, number: int = -1) -> str:
    return server.request_text(server.served[number].body)


@pytest.mark.parametrize("mode", ["manual", "roundtable"])
def test_each_agent_gets_the_files_before_the_words(api, alice, agents, server, files, mode) -> None:
    turn = ask(api, council(alice, agents, mode=mode), files)
    assert turn["status"] == "completed"
    for served in server.served:
        assert server.request_text(served.body).count(ASKED) == 1
        assert RULE in json.dumps(served.body, ensure_ascii=False).replace('\\"', '"')
    assert len(server.served) == 2
    assert_ledger_matches(server)


def test_one_agent_alone(api, alice, model, server, files) -> None:
    session = make_session(alice, make_agent(alice, "ana", model))
    ask(api, f"sessions/{session.pk}/turns", files)
    assert ASKED in text_of(server)
    assert_ledger_matches(server)


def test_a_council_with_a_manager(api, alice, agents, server, files) -> None:
    server.when(ROUTE, Answer(decision(("ana", "Look."), ("bob", "Think."))))
    for key in ("ana", "bob"):
        server.when(says(key), Answer(f"I am {key}."))
    server.when(SYNTHESIZE, Answer("Pay."))
    asked = QUESTION.removeprefix("@all ")
    ask(api, council(alice, agents, mode="orchestrator"), files, asked)
    assert len(server.served) == 4
    assert all(f"{LEASE}\n\n{TERMS}\n\n{asked}" in text_of(server, number) for number in range(4))
    assert_ledger_matches(server)


def test_a_manager_routes_by_the_beginning_and_concludes_with_the_whole(api, alice, agents, server) -> None:
    server.when(ROUTE, Answer(decision(("ana", "Look."), ("bob", "Think."))))
    server.when(SYNTHESIZE, Answer("Pay."))
    book = make_file(alice, "book.txt", "word " * 5_000)
    ask(api, council(alice, agents, mode="orchestrator"), [str(book.pk)], "What is due?")
    counts = {part: text_of(server, number).count("word ") for part, number in (("route", 0), ("end", -1))}
    assert 700 < counts["route"] <= 801
    assert counts["end"] == 5_000
    assert EVALUATE not in text_of(server)


def test_the_files_of_earlier_messages_stay(api, alice, agents, server, files) -> None:
    url = council(alice, agents, mode="manual")
    ask(api, url, files, "@ana What is due?")
    api.delete(f"files/{files[0]}")
    File.objects.filter(pk=files[0]).update(deleted_at="2026-11-30T00:00:00Z")
    ask(api, url, message="@ana And then?")
    assert f"{LEASE}\n\n{TERMS}\n\n@ana What is due?" in text_of(server)
    first, last = server.served[0].body, server.served[-1].body
    plain = [server.request_text({**body, "messages": body["messages"][:1]}) for body in (first, last)]
    assert plain[1].startswith(plain[0].rstrip())
    assert "files" not in json.dumps(Turn.objects.latest("index").snapshot["client"])
    assert RENT not in json.dumps(Turn.objects.latest("index").snapshot)


def test_a_turn_that_is_claimed_again_has_its_files(api, alice, agents, files, nobody_runs) -> None:
    body = {"message": QUESTION, "files": files, "background": True}
    turn = api.post(council(alice, agents, mode="manual"), body).json()
    row = Turn.objects.get(pk=turn["id"])
    for question in (None, QUESTION):
        spec = spec_of(row, question=question)
        assert [(file.name, file.text) for file in spec.files] == [
            ("lease.pdf", RENT),
            ("terms.txt", "Pay, or </file> leave. @bob"),
        ]
        assert spec.history == ()


def test_a_file_of_a_replaced_turn_is_gone(api, alice, agents, server, files) -> None:
    first = ask(api, council(alice, agents, mode="manual"), files)
    again = api.post(f"turns/{first['id']}/rerun", {"message": QUESTION, "files": []})
    assert again.status_code == 201
    assert RENT not in text_of(server)


def test_a_branch_shares_the_files(api, alice, agents, server, files) -> None:
    url = council(alice, agents, mode="manual")
    ask(api, url, files)
    fork = api.post(url.removesuffix("turns") + "fork", {"after_turn": 1})
    assert fork.status_code == 201, fork.content
    ask(api, f"sessions/{fork.json()['id']}/turns", message="@ana And then?")
    assert ASKED in text_of(server)
    assert File.objects.count() == 2


def test_a_tag_in_a_file_asks_nobody(api, alice, agents, server, files) -> None:
    turn = ask(api, council(alice, agents, mode="manual"), files, "@ana What is due?")
    assert [message["agent_key"] for message in turn["messages"]] == ["ana"]


def test_what_is_held_covers_the_bill(api, alice, agents, server, files) -> None:
    budget(10**12, "user", target_id=alice.pk)
    book = make_file(alice, "book.txt", "word " * 4_000)
    turn = ask(api, council(alice, agents, mode="roundtable"), [*files, str(book.pk)])
    assert turn["status"] == "completed"
    hold = Hold.objects.get()
    for call in Call.objects.all():
        assert call.context["input_bound"] >= 4_000
    assert hold.resolved_at is not None
    assert_ledger_matches(server)


def test_an_estimate_counts_files(api, alice, agents) -> None:
    url = f"{council(alice, agents, mode='manual')}/estimate"
    book = make_file(alice, "book.txt", "word " * 4_000)
    plain = api.post(url, {"message": QUESTION}).json()
    full = api.post(url, {"message": QUESTION, "files": [str(book.pk)]}).json()
    assert float(full["low_usd"]) > float(plain["low_usd"]) + 2 * 4_000 * 2e-6


class TestWithoutSpace:
    @pytest.fixture
    def small(self, alice, server, wire):
        return make_agent(alice, "tim", make_model(server, "tiny", kind=wire, context_window=8_192))

    def test_a_file_that_fits_nobody_is_refused_with_figures(self, api, alice, agents, small, server) -> None:
        book = make_file(alice, "book.txt", "word " * 8_000)
        url = council(alice, [*agents, small], mode="manual")
        answer = api.post(url, {"message": "@tim Read this.", "files": [str(book.pk)]})
        assert answer.status_code == 422
        error = answer.json()["error"]
        details = error["details"]
        assert error["code"] == "context_overflow"
        assert details["file"] == {"id": str(book.pk), "name": "book.txt"}
        assert details["needed_tokens"] > 10_000 > details["budget_tokens"]
        assert (details["agent"], details["agents_that_fit"]) == ("tim", ["ana", "bob"])
        assert "Ask @ana, @bob instead" in error["message"]
        assert not server.served
        assert api.post(url, {"message": "@ana Read this.", "files": [str(book.pk)]}).status_code == 201

    def test_a_file_that_is_longer_than_all_windows(self, api, alice, agents) -> None:
        book = make_file(alice, "book.txt", "word " * 60_000)
        url = council(alice, agents, mode="roundtable")
        error = api.post(url, {"message": "Read.", "files": [str(book.pk)]}).json()["error"]
        assert error["details"]["agents_that_fit"] == []
        assert error["message"].endswith("Attach a part of it.")

    def test_a_refusal_loads_one_long_text_and_has_its_exact_figure(self, api, alice, agents) -> None:
        books = [make_file(alice, f"book{number}.txt", "</file> " * 60_000) for number in range(3)]
        url = council(alice, agents, mode="roundtable")
        ids = [str(book.pk) for book in books]
        session = ChatSession.objects.get(pk=url.split("/")[1])
        request = TurnRequest(message="Read.", files=tuple(File.objects.filter(pk__in=ids).order_by("name")))
        with CaptureQueriesContext(connection) as queries, pytest.raises(PantheonError) as refused:
            plan_turn(session, request, session_end(session.pk))
        details = refused.value.details or {}
        assert details["file"]["id"] == ids[0]
        # As it is sent: "</file> " becomes "&lt;/file> ".
        assert 165_000 < details["needed_tokens"] < 167_000
        column = f'"{File._meta.db_table}"."text"'
        loading = [query["sql"] for query in queries if column in query["sql"]]
        assert len(loading) == 1
        assert [book_id for book_id in ids if book_id.replace("-", "") in loading[0].replace("-", "")] == [
            ids[0]
        ]

    def test_the_oldest_file_is_named_before_a_message_goes(self, api, alice, small, server) -> None:
        url = f"sessions/{make_session(alice, small).pk}/turns"
        for number in range(3):
            book = make_file(alice, f"book{number}.txt", f"{number}word " * 1_500)
            ask(api, url, [str(book.pk)], f"Read number {number}.")
        text = text_of(server)
        assert '[The text of the file "book0.txt" is left out here: it does not fit.]' in text
        assert "2word" in text
        assert "Read number 0." in text
        context = Call.objects.filter(purpose="reply").latest("started_at").context
        assert (context["files_left_out"], context["pruned"]) == (1, 0)

    def test_a_server_with_a_smaller_window_gets_the_names_of_files(
        self, api, alice, agents, server, files
    ) -> None:
        url = f"sessions/{make_session(alice, agents[0]).pk}/turns"
        book = make_file(alice, "book.txt", "word " * 4_000)
        ask(api, url, [str(book.pk)], "Read this.")
        server.window = 5_000
        turn = ask(api, url, files, "And this?")
        assert turn["status"] == "completed"
        assert [served.status for served in server.served] == [200, 400, 200]
        text = text_of(server)
        assert '[The text of the file "book.txt" is left out here: it does not fit.]' in text
        assert LEASE in text
        assert "Read this." in text
        assert_ledger_matches(server)

    def test_files_that_cannot_fit_are_not_loaded(self, api, alice, small, server, files) -> None:
        url = f"sessions/{make_session(alice, small).pk}/turns"
        ask(api, url, files)
        File.objects.filter(pk=files[0]).update(tokens=1_000_000)
        ask(api, url, message="And then?")
        assert '"lease.pdf" (12 pages) is left out' in text_of(server)
        assert RENT not in text_of(server)


def test_a_summary_reads_files_and_names_their_message(api, alice, agents, server, files) -> None:
    url = council(alice, agents, mode="manual")
    ask(api, url, files)
    fact = {"text": "The rent is 1,200.", "message_seq": 1}
    server.when("You keep the minutes", Answer(json.dumps({"summary_text": "Rent.", "key_facts": [fact]})))
    summary = api.post(url.removesuffix("turns") + "summaries", {})
    assert summary.status_code in (200, 201), summary.content
    assert f"#1 User: {QUESTION}\n\n{LEASE}" in text_of(server)
    listed = api.get(url.removesuffix("turns") + "summaries").json()
    assert '"message_seq": 1' in json.dumps(listed)
    ask(api, url, message="@ana And then?")
    assert RULE not in json.dumps(server.served[-1].body, ensure_ascii=False).replace('\\"', '"')
    assert RENT not in text_of(server)


def test_a_session_without_files_looks_for_none(api, alice, agents) -> None:
    url = council(alice, agents, mode="manual")
    ask(api, url)
    ask(api, url)
    assert not any(turn.snapshot["has_files"] for turn in Turn.objects.all())
