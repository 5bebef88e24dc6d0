"""Forms of agents, rooms and sessions: they parse, the services validate."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django import forms
from django.conf import settings
from django.http import QueryDict

from orchestration.engine.efforts import LABELS
from orchestration.engine.modes import LEAD, MODES, Mode
from orchestration.models import LlmModel
from orchestration.selectors import available_models
from sessions.models import Agent, Room
from sessions.pages.catalogue import PRICE_HELP, options_of
from sessions.selectors.pages import default_alias

Choices = list[tuple[str, Any]]


def model_choices(current: LlmModel | None, default: str) -> Choices:
    """Return the model choices with price and window, by provider, after the default (an alias or a text).

    The current model stays a choice even if it is unavailable.
    """
    labels: dict[str, str] = {}
    by_provider: dict[str, list[tuple[str, str]]] = {}
    for option in options_of(available_models()):
        model = option.model
        labels[model.alias] = option.label
        by_provider.setdefault(model.provider.name, []).append((model.alias, option.label))
    choices: Choices = [("", f"Default ({labels.get(default, default)})"), *by_provider.items()]
    if current is not None and current.alias not in labels:
        choices.append((current.alias, f"{current.alias} (not available)"))
    return choices


def chosen_model(alias: str, current: LlmModel | None) -> LlmModel | None:
    """Return the chosen model, None for the default."""
    if not alias:
        return None
    if current is not None and current.alias == alias:
        return current
    return next(model for model in available_models() if model.alias == alias)


class AgentForm(forms.Form):
    name = forms.CharField(max_length=120, widget=forms.TextInput(attrs={"autocomplete": "off"}))
    key = forms.CharField(
        label="Handle",
        max_length=64,
        help_text="Mention it as @handle. Letters a–z, digits, - and _.",
        widget=forms.TextInput(
            attrs={"autocomplete": "off", "autocapitalize": "none", "spellcheck": "false", "class": "mono"}
        ),
    )
    model = forms.ChoiceField(
        required=False,
        help_text=f"Default follows the server's default model. {PRICE_HELP}",
    )
    role_prompt = forms.CharField(
        label="Instructions",
        required=False,
        max_length=20_000,
        strip=False,
        help_text="Perspective, task and tone.",
        widget=forms.Textarea(attrs={"rows": 10}),
    )
    temperature = forms.FloatField(
        required=False,
        min_value=0,
        max_value=2,
        help_text="0–2. Leave empty for the model's default.",
        widget=forms.NumberInput(attrs={"step": "0.1"}),
    )
    max_output_tokens = forms.IntegerField(
        label="Max output tokens",
        required=False,
        min_value=16,
        max_value=1_000_000,
        help_text="Leave empty for the model's limit.",
    )

    reasoning_effort = forms.ChoiceField(
        required=False,
        choices=[("", "The model's own"), *LABELS.items()],
        help_text="How much the model thinks before it answers: more costs more, and takes longer. If the model does "
        "not offer it, the nearest is used.",
    )

    def __init__(self, data: QueryDict | None = None, *, agent: Agent | None = None) -> None:
        self.current_model = agent.model if agent else None
        super().__init__(data, initial=initial_of(agent) if agent else None)
        field = self.fields["model"]
        assert isinstance(field, forms.ChoiceField)
        field.choices = model_choices(self.current_model, default_alias() or "none available")
        if agent is None:
            self.fields["name"].widget.attrs["autofocus"] = True

    def clean_key(self) -> str:
        """Return the handle as mentions are read: in lower case, without the @ that some type."""
        key: str = self.cleaned_data["key"]
        return key.removeprefix("@").lower()

    def clean_model(self) -> LlmModel | None:
        return chosen_model(self.cleaned_data["model"], self.current_model)


def initial_of(agent: Agent) -> dict[str, Any]:
    return {
        "name": agent.name,
        "key": agent.key,
        "model": agent.model.alias if agent.model else "",
        "role_prompt": agent.role_prompt,
        "temperature": agent.temperature,
        "max_output_tokens": agent.max_output_tokens,
        "reasoning_effort": agent.reasoning_effort,
    }


DEPTHS: Choices = [
    ("1", "1 (quick)"),
    ("2", "2 (deep)"),
    ("3", "3 (deep)"),
]


def explained_modes() -> Choices:
    """Return a room's modes as "Label: sentence"."""
    modes = [mode for mode in MODES.values() if mode.for_rooms]
    return [
        (mode.key, f"{mode.label}: {mode.sentence[:1].lower()}{mode.sentence[1:].rstrip('.')}")
        for mode in modes
    ]


class RoomForm(forms.Form):
    name = forms.CharField(max_length=200, widget=forms.TextInput(attrs={"autocomplete": "off"}))
    goal = forms.CharField(
        required=False,
        max_length=4_000,
        help_text=f"Shared with all agents. Required for {LEAD.label}.",
        widget=forms.Textarea(attrs={"rows": 3}),
    )
    mode = forms.ChoiceField(choices=explained_modes, help_text="Takes effect from the next message.")
    max_rounds = forms.TypedChoiceField(
        label="Rounds",
        choices=DEPTHS,
        coerce=int,
        empty_value="1",
        required=False,
        help_text=f"{LEAD.label} only. Maximum rounds before the conclusion.",
    )
    manager_model = forms.ChoiceField(
        label="Manager model",
        required=False,
        help_text=f"{LEAD.label} only. {PRICE_HELP}",
    )

    speaker_guard = forms.BooleanField(
        label="Cut answers that speak for other members",
        required=False,
        initial=True,
        help_text="An answer ends where it goes on as another agent. The rest stays readable below it.",
    )

    def __init__(self, data: QueryDict | None = None, *, room: Room | None = None) -> None:
        self.current_manager = room.manager_model if room else None
        super().__init__(data, initial=initial_of_room(room) if room else None)
        field = self.fields["manager_model"]
        assert isinstance(field, forms.ChoiceField)
        default = settings.PANTHEON_MANAGER_MODEL or "first agent's model"
        field.choices = model_choices(self.current_manager, default)
        if room is None:
            self.fields["name"].widget.attrs["autofocus"] = True

    def clean_manager_model(self) -> LlmModel | None:
        return chosen_model(self.cleaned_data["manager_model"], self.current_manager)

    def clean(self) -> dict[str, Any]:
        data = super().clean() or self.cleaned_data
        mode = MODES.get(data.get("mode", ""))
        if mode is not None and mode.led and "goal" in data and not data["goal"].strip():
            self.add_error("goal", goal_request(mode))
        return data


def goal_request(mode: Mode) -> str:
    return f"{mode.label} needs a goal: what should the council decide or produce?"


def goal_requests() -> dict[str, str]:
    """Return mode -> what its form says about the goal, for the modes that need one."""
    return {mode.key: goal_request(mode) for mode in MODES.values() if mode.for_rooms and mode.led}


def initial_of_room(room: Room) -> dict[str, Any]:
    return {
        "name": room.name,
        "goal": room.goal,
        "mode": room.mode,
        "max_rounds": room.max_rounds,
        "speaker_guard": room.speaker_guard,
        "manager_model": room.manager_model.alias if room.manager_model else "",
    }


class ModeForm(forms.Form):
    """The switch beside the conversation: fields that are not sent keep their value."""

    mode = forms.ChoiceField(choices=explained_modes, required=False)
    max_rounds = forms.TypedChoiceField(choices=DEPTHS, coerce=int, empty_value=None, required=False)
    session = forms.CharField(required=False)

    @property
    def changes(self) -> dict[str, Any]:
        """The chosen values of a valid form."""
        values = {name: self.cleaned_data[name] for name in ("mode", "max_rounds")}
        return {name: value for name, value in values.items() if value}


@dataclass(frozen=True, slots=True)
class Seat:
    """A row of the room form: an agent, whether it is a member of the room, and its position."""

    agent: Agent
    is_member: bool
    position: int


def seats_of(agents: Sequence[Agent], members: Sequence[Agent]) -> list[Seat]:
    """Return a room's members in order, then the other agents."""
    places = {agent.pk: place for place, agent in enumerate(members, start=1)}
    others = [agent for agent in agents if agent.pk not in places]
    seats = [Seat(agent, True, places[agent.pk]) for agent in members]
    return seats + [Seat(agent, False, len(places) + place) for place, agent in enumerate(others, start=1)]


def seats_from(data: QueryDict, agents: Sequence[Agent]) -> list[Seat]:
    """Parse the seats of a form: checked ones first, by their numbers."""
    checked = set(data.getlist("agent"))
    seats = [
        Seat(
            agent, str(agent.pk) in checked, number_from(data.get(f"position-{agent.pk}", ""), default=place)
        )
        for place, agent in enumerate(agents, start=1)
    ]
    return sorted(seats, key=lambda seat: (not seat.is_member, seat.position))


def number_from(text: str, *, default: int) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 6 else default


class TitleForm(forms.Form):
    title = forms.CharField(max_length=200, required=False)
