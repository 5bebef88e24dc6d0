"""Modes and purposes are rows of tables: an added mode works everywhere, and no other code names one."""

from __future__ import annotations

import json
import re
from html import unescape

import pytest
from django.conf import settings
from django.urls import reverse

from accounts.tests.support.admin_site import static_files_as_they_are
from billing.admin.costs import form_choices
from billing.models import UsageEvent
from billing.models.rollup_columns import ORCHESTRATION
from orchestration.engine.members import fan_out_calls
from orchestration.engine.modes import MODES, Mode
from orchestration.engine.purposes import PURPOSES
from orchestration.engine.result import TurnResult, result_from
from orchestration.engine.run import Run, reply_plan
from sessions.models import ChatSession, Room
from sessions.tests.factories import make_agent
from sessions.tests.support.pages import browser, text_of

__all__ = ["static_files_as_they_are"]

LITERALS_ALLOWED = {
    "orchestration/engine/modes.py": "the table",
    "bench/dashboard_ledger.py": "SQL that fills the ledger with rows of every mode",
    "bench/orchestrator.py": "measures this mode",
    "static/js/mode-switch.js": "an option of fetch",
}
DECISIONS = (
    "orchestration/engine/orchestrator.py",
    "orchestration/engine/routing.py",
    "sessions/selectors/turn_shapes.py",
)
"""A manager's decision is to `route` or to `synthesize`: actions, which have the names of two purposes."""


async def answer_backwards(run: Run) -> TurnResult:
    keys = reversed(run.spec.addressed)
    return result_from([await run.step(reply_plan(run.spec, run.spec.agent(key))) for key in keys])


@pytest.fixture
def backwards(monkeypatch) -> Mode:
    mode = Mode(
        key="backwards",
        label="Last first",
        run=answer_backwards,
        forecast=fan_out_calls,
        sentence="The last member answers first.",
        invitation="the last member answers first.",
        tagging="Mention an agent",
    )
    monkeypatch.setitem(MODES, mode.key, mode)
    return mode


@pytest.fixture
def room(api, alice, openai_model, backwards) -> Room:
    agents = [str(make_agent(alice, key, openai_model).pk) for key in ("ana", "bob")]
    made = api.post("rooms", {"name": "Board", "mode": backwards.key, "agents": agents})
    assert made.status_code == 201, made.content
    return Room.objects.get()


@pytest.fixture
def session(api, room) -> ChatSession:
    api.post(f"rooms/{room.pk}/sessions")
    return ChatSession.objects.get()


@pytest.mark.django_db(transaction=True)
def test_a_mode_that_is_one_row_and_one_function_runs_from_the_api_to_the_bill(
    api, alice, session, backwards, openai_server
) -> None:
    estimate = api.post(f"sessions/{session.pk}/turns/estimate", {"message": "Well?"}).json()
    assert (estimate["calls"], estimate["fits_budget"]) == (2, True)
    turn = api.post(f"sessions/{session.pk}/turns", {"message": "Well?", "mode": backwards.key}).json()
    assert (turn["mode"], turn["status"]) == (backwards.key, "completed")
    assert [message["agent_key"] for message in turn["messages"]] == ["bob", "ana"]
    assert set(UsageEvent.objects.values_list("mode", "purpose")) == {(backwards.key, "reply")}
    page = text_of(browser(alice).get(reverse("session", args=[session.pk])))
    assert re.findall(r'data-agent-key="(\w+)" data-purpose="reply"', page) == ["bob", "ana"]
    assert re.findall(r"<td>Answer</td>\s*<td>@(\w+)</td>", page) == ["bob", "ana"]
    again = api.post(f"turns/{turn['id']}/rerun", {"mode": backwards.key}).json()
    assert (again["mode"], again["status"]) == (backwards.key, "completed")


@pytest.mark.django_db(transaction=True)
def test_pages_and_reports_offer_the_mode(alice, room, session, backwards) -> None:
    client = browser(alice)
    page = text_of(client.get(reverse("session", args=[session.pk])))
    assert f'value="{backwards.key}" aria-pressed="true">{backwards.label}</button>' in page
    assert f'<p class="modes-note" data-mode-sentence>{backwards.sentence}</p>' in page
    assert f"Ask the council: {backwards.invitation}" in page
    assert f'aria-label="{backwards.tagging}"' in page
    facts = json.loads(unescape(re.findall(r'data-facts="([^"]+)"', page)[0]))
    assert facts["modes"][backwards.key] == {"sideBySide": False, "led": False}
    form = text_of(client.get(reverse("room-edit", args=[room.pk])))
    assert "Last first: the last member answers first" in form
    for mode in ("manual", backwards.key):
        client.post(reverse("room-mode", args=[room.pk]), {"mode": mode})
        room.refresh_from_db()
        assert room.mode == mode
    offered = {name: values for name, _, _, values in form_choices()["selects"]}
    assert (backwards.key, backwards.label) in offered["mode"]


def test_nothing_but_the_table_names_a_mode() -> None:
    names = "|".join(key for key, mode in MODES.items() if mode.for_rooms)
    assert sources_with(rf"""["']({names})["']|data-mode=\W*({names})\b""") == set(LITERALS_ALLOWED)


def test_nothing_but_the_table_lists_purposes() -> None:
    purpose = f"[\"'](?:{'|'.join(PURPOSES)})[\"']"
    assert sources_with(rf"{purpose}\s*[,|]\s*{purpose}") == {"bench/dashboard_ledger.py", *DECISIONS}


def test_a_purpose_says_whether_reports_count_it_as_orchestration() -> None:
    assert ORCHESTRATION == "CASE WHEN purpose <> 'reply' THEN cost_pico ELSE 0 END"


def sources_with(pattern: str) -> set[str]:
    """Return what has a match, of all that is written by hand but tests and migrations."""
    packages = ("pantheon", "sessions", "billing", "orchestration", "accounts", "web", "bin", "bench")
    globs = [f"{package}/**/*.py" for package in packages]
    globs += ["templates/**/*.html", "static/js/**/*.js", "static/css/**/*.css"]
    paths = [path for pattern in globs for path in settings.BASE_DIR.glob(pattern)]
    return {
        str(path.relative_to(settings.BASE_DIR))
        for path in paths
        if not {"tests", "migrations", "vendor"} & set(path.parts)
        and re.search(pattern, path.read_text(encoding="utf-8"))
    }
