"""From the events of a turn to the text of a completion: several may speak at once, a completion is one text."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from orchestration.engine.modes import Mode
from orchestration.engine.purposes import SHOWN, Purpose
from sessions.api.openai_compatible.answers import SEPARATOR, final_text, heading

Channel = Literal["content", "reasoning_content"]
ChannelText = tuple[Channel, str]


@dataclass(slots=True)
class Lane:
    """A step, and what it has said that waits for the steps before it to be through."""

    name: str
    channel: Channel
    """Where its text goes; what its model thought is always reasoning."""
    titled: bool
    """Its name stands above its text."""
    waiting: list[ChannelText] = field(default_factory=list)
    blank: list[str] = field(default_factory=list)
    """White space at its beginning: a step that says nothing else is no answer."""
    spoke: bool = False
    opened: bool = False
    """Its name has been said."""
    held: list[str] | None = None
    """Text that may turn out to be a thought, until the step is over; None: all its text is what it seems."""
    over: bool = False


class Composer:
    """What a completion says: first come the steps that started first, live; those beside them when these are through.

    The answer is what `final_text` will be, as far as it is known by now: an agent's text, agents' texts under their
    names, or the synthesis. All else (who is asked what, what specialists said to the manager, what models thought)
    is reasoning.
    """

    def __init__(self, mode: Mode, *, unknown_models: Collection[str] = ()) -> None:
        """`unknown_models`: aliases of models whose text may begin with a thought that has only a closing tag.

        What was said as content cannot be taken back: their text waits for its end, unless their server separates
        thoughts from it.
        """
        self.mode = mode
        self.unknown_models = unknown_models
        self.content = ""
        """All that was said as content."""
        self._lanes: dict[str, Lane] = {}
        self._lost = False
        """The turn went on elsewhere: what was said live may not be what it comes to."""

    def feed(self, event: Mapping[str, Any]) -> Iterator[ChannelText]:
        """Yield what an event adds."""
        for channel, text in self._pieces(event):
            if channel == "content":
                if self._lost:
                    continue
                self.content += text
            yield channel, text

    def rest(self, turn: Mapping[str, Any]) -> str:
        """Return what is still to be said of a turn that has ended; all of it, where something else was said."""
        whole = final_text(turn)
        if whole.startswith(self.content):
            return whole[len(self.content) :]
        return SEPARATOR + whole

    def _pieces(self, event: Mapping[str, Any]) -> Iterator[ChannelText]:
        lane = self._lanes.get(event.get("step_id", ""))
        match event["type"]:
            case "turn.snapshot":
                self._forget(event["turn"])
            case "routing.decided":
                yield "reasoning_content", routing_notice(event)
            case "step.started":
                yield from self._start(event)
            case "step.delta" if lane is not None:
                lane.waiting += said(lane, event["kind"], event["text"])
                yield from self._drain()
            case "step.completed" if lane is not None:
                lane.over = True
                lane.waiting += released(lane)
                yield from self._drain()
            case "step.failed" if lane is not None:
                lane.over = True
                if not self.mode.alone:
                    notice = f"\n{lane.name} could not finish: {event['message']}\n"
                    lane.waiting.append(("reasoning_content", notice))
                yield from self._drain()

    def _start(self, event: Mapping[str, Any]) -> Iterator[ChannelText]:
        if event["purpose"] not in SHOWN:
            return
        to_manager = self.mode.concluded and event["purpose"] == Purpose.REPLY
        is_unknown = not to_manager and event["model"] in self.unknown_models
        self._lanes[event["step_id"]] = Lane(
            name=event["agent_name"] or "The manager",
            channel="reasoning_content" if to_manager else "content",
            titled=event["purpose"] == Purpose.REPLY and not self.mode.alone,
            held=[] if is_unknown else None,
        )
        if not self.mode.alone:
            doing = "answers" if event["purpose"] == Purpose.REPLY else "puts the answers together"
            yield (
                "reasoning_content",
                f"\n{event['agent_name'] or 'The manager'} {doing} ({event['model']}).\n",
            )

    def _forget(self, turn: Mapping[str, Any]) -> None:
        """Drop what waits: the snapshot of a turn has it. Its steps that go on may still think."""
        self._lost = True
        open_steps = {step["step_id"] for step in turn["steps"] if step["status"] == "started"}
        self._lanes = {step_id: lane for step_id, lane in self._lanes.items() if step_id in open_steps}
        for lane in self._lanes.values():
            lane.waiting, lane.held = [], None

    def _drain(self) -> Iterator[ChannelText]:
        """Yield what may be said now: of the first step all, of the next ones only once it is over."""
        for step_id, lane in list(self._lanes.items()):
            for channel, text in lane.waiting:
                if channel == lane.channel and lane.titled and not lane.opened:
                    lane.opened = True
                    yield channel, self._before(channel) + heading(lane.name) + text
                else:
                    yield channel, text
            lane.waiting = []
            if not lane.over:
                return
            del self._lanes[step_id]

    def _before(self, channel: Channel) -> str:
        """Return what parts an answer from the one above it."""
        return SEPARATOR if self.content or channel == "reasoning_content" else ""


def said(lane: Lane, kind: str, text: str) -> list[ChannelText]:
    """Return what a delta adds to a lane."""
    if kind == "reasoning":
        if lane.held == []:
            lane.held = None  # its server separates thoughts
        return [("reasoning_content", text)]
    if lane.held is not None:
        lane.held.append(text)
        return []
    if not lane.spoke:
        lane.blank.append(text)
        if not text.strip():
            return []
        text, lane.blank, lane.spoke = "".join(lane.blank), [], True
    return [(lane.channel, text)]


def released(lane: Lane) -> list[ChannelText]:
    """Return the text that a lane has held: its step is over, so it is the answer."""
    text, lane.held = "".join(lane.held or ()), None
    return said(lane, "text", text) if text else []


def routing_notice(event: Mapping[str, Any]) -> str:
    """Return a decision of the manager as a sentence."""
    if event["action"] == "synthesize":
        asked = "enough has been said"
    else:
        chosen = [
            f"@{selection['agent_key']}"
            + (f" ({selection['instruction']})" if selection["instruction"] else "")
            for selection in event["selections"]
        ]
        asked = f"asks {', '.join(chosen)}" if chosen else "asks nobody again"
    reason = f" {event['reason']}" if event["reason"] else ""
    return f"\nRound {event['round']}: {asked}.{reason}\n"
