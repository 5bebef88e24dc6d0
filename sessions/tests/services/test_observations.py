"""What a user's calls show about a model: servers that cut or refuse their input."""

from __future__ import annotations

import pytest

from orchestration.engine.specs import Usage
from orchestration.tests.providers import Answer
from sessions.models import Call
from sessions.selectors.calibration import observations
from sessions.tests.factories import make_agent, make_room, make_session

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_call_whose_input_the_server_cut_does_not_calibrate(
    api, alice, openai_model, openai_server
) -> None:
    openai_server.default = Answer(usage=Usage(input=400, output=5))
    session = make_session(alice, make_room(alice, make_agent(alice, "ana", openai_model)))
    api.post(f"sessions/{session.pk}/turns", {"message": "@ana " + "word " * 3_000})

    assert Call.objects.get().context["input_cut"] == 1
    assert observations(alice.pk)[openai_model.pk].calibration == 1.0
