"""The engine's modes as choices: for rooms, for turns, and for requests."""

from __future__ import annotations

from orchestration.engine.modes import MODES

Choices = list[tuple[str, str]]


def room_modes() -> Choices:
    return [(mode.key, mode.label) for mode in MODES.values() if mode.for_rooms]


def turn_modes() -> Choices:
    return [(key, mode.label) for key, mode in MODES.items()]


def asked_modes() -> Choices:
    return [(key, mode.label) for key, mode in MODES.items() if mode.spoken]
