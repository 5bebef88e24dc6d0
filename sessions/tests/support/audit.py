"""A ledger to audit, and its breaches."""

from __future__ import annotations

import uuid
from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command

from sessions.models import Call, Turn
from sessions.selectors.ledger_audit import INVARIANTS
from sessions.services.leases import turn_claim
from sessions.services.turn_accept import turn_accept
from sessions.services.turn_request import TurnRequest
from sessions.tests.factories import make_agent, make_model, make_session
from sessions.tests.services.test_turn_commit import claimed_turn, commit, finish_call


def broken() -> dict[int, list[str]]:
    """Return invariant -> breaches, from the audit."""
    found = {invariant.number: list(invariant.breaches()) for invariant in INVARIANTS}
    return {number: lines for number, lines in found.items() if lines}


def audit() -> str:
    out = StringIO()
    call_command("audit_ledger", stdout=out)
    return out.getvalue()


def copy_of(row: Any, **changes: Any) -> Any:
    """Return an unsaved copy with an id of its own."""
    values = {field.attname: getattr(row, field.attname) for field in row._meta.concrete_fields}
    return type(row)(**{**values, "id": uuid.uuid4(), **changes})


@pytest.fixture
def turn(alice) -> Turn:
    """A final turn of two calls, and a running one with a finished call."""
    claimed, result = claimed_turn(alice, 2)
    commit(claimed, result)
    agent = make_agent(alice, "zoe", make_model(alias="another"))
    other = turn_accept(user=alice, session=make_session(alice, agent), request=TurnRequest(message="Hi"))
    running = turn_claim(turn_id=other.pk, runner_id=uuid.uuid4())
    assert running is not None
    finish_call(running, "zoe", 1)
    return Turn.objects.get(pk=claimed.turn_id)


@pytest.fixture
def call(turn: Turn) -> Call:
    return turn.calls.order_by("number")[0]


@pytest.fixture
def running(turn: Turn) -> Turn:
    return Turn.objects.get(status="running")
