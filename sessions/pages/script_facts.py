"""Facts that the scripts of a conversation read from its page (static/js/facts.js) instead of stating them again."""

from __future__ import annotations

import json
from collections.abc import Iterable

from billing.budget_scopes import owners_for_people
from orchestration.engine.modes import MODES
from orchestration.engine.purposes import SHOWN, Purpose
from sessions.models import Agent, Turn
from sessions.pages import rounds, transcript
from sessions.pages.addressees import EVERYBODY_CHOICE
from sessions.pages.answers import hue
from sessions.pages.file_chips import file_facts


def script_facts(agents: Iterable[Agent]) -> str:
    """Return the facts as JSON. In texts, `{name}` stands for a value; a pair of texts is singular and plural."""
    return json.dumps(
        {
            "modes": {
                key: {"sideBySide": mode.side_by_side, "led": mode.led}
                for key, mode in MODES.items()
                if mode.spoken
            },
            "shownPurposes": SHOWN,
            "conclusion": {"purpose": Purpose.SYNTHESIZE, "name": Purpose.SYNTHESIZE.label},
            "everybody": EVERYBODY_CHOICE,
            "hues": {agent.key: hue(agent.key) for agent in agents},
            "finalStatuses": Turn.FINAL,
            "statusNotes": transcript.STATUS_NOTES,
            "longMessage": {"chars": transcript.LONG_CHARS, "lines": transcript.LONG_LINES},
            "steps": {
                "note": transcript.STEPS_NOTE,
                "none": transcript.NO_STEPS_NOTE,
                "answers": transcript.ANSWERS,
                "rounds": transcript.ROUNDS,
            },
            "routing": {"asked": rounds.ASKED_TITLE, "concluded": rounds.CONCLUDED_TITLE},
            "budgetOwners": owners_for_people(),
            "files": file_facts(),
        },
        ensure_ascii=False,
    )
