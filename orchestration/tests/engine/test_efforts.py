"""Which reasoning effort a model is asked for."""

from __future__ import annotations

from typing import Any

import pytest

from orchestration.engine.efforts import EFFORTS, effort_for, effort_sent
from orchestration.tests.gateway import request, spec


@pytest.mark.parametrize(
    ("model", "wanted", "effort"),
    [
        ({}, "", ""),
        ({}, "max", "max"),
        ({"reasoning_effort": "low"}, "", "low"),
        ({"reasoning_effort": "low"}, "high", "high"),
        ({"reasoning_efforts": ["low", "high"]}, "", ""),
        ({"reasoning_efforts": ["low", "high"]}, "max", "high"),
        ({"reasoning_efforts": ["high", "low"]}, "medium", "low"),
        ({"reasoning_efforts": ["low", "high"]}, "none", "low"),
        ({"reasoning_efforts": ["none", "low"]}, "minimal", "low"),
        ({"reasoning_efforts": ["none"]}, "high", "none"),
        ({"unsupported": ["reasoning_effort"], "reasoning_effort": "low"}, "high", ""),
        ({"unsupported": ["reasoning_effort=high"]}, "high", ""),
        ({"unsupported": ["reasoning_effort=high"]}, "low", "low"),
        ({"unsupported": ["reasoning_effort=high"], "reasoning_efforts": ["low", "high"]}, "high", "low"),
        ({"unsupported": ["reasoning_effort=low"], "reasoning_efforts": ["low"]}, "high", ""),
    ],
)
def test_the_effort_of_a_call(model: dict[str, Any], wanted: str, effort: str) -> None:
    assert effort_for(spec(**model), wanted) == effort


@pytest.mark.parametrize("wanted", EFFORTS)
@pytest.mark.parametrize("offered", EFFORTS)
def test_a_model_with_one_effort_is_asked_for_it(wanted: str, offered: str) -> None:
    assert effort_for(spec(reasoning_efforts=[offered]), wanted) == offered


def test_what_was_refused_since_is_not_sent() -> None:
    for refused in ("reasoning_effort", "reasoning_effort=high"):
        assert effort_sent(request(spec(unsupported=[refused]), reasoning_effort="high")) == ""
    assert effort_sent(request(spec(unsupported=["reasoning_effort=high"]), reasoning_effort="low")) == "low"
