"""Compose one text, the completion, from a turn's events: several agents may answer at the same time."""

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
    """A step, with the text that waits until the steps before it have ended."""

    name: str
    channel: Channel
    """The channel of its text; its reasoning always goes to `reasoning_content`."""
    titled: bool
    """Its text has a heading with its name."""
    waiting: list[ChannelText] = field(default_factory=list)
    blank: list[str] = field(default_factory=list)
    """White space at its beginning, dropped if nothing follows: then there is no answer."""
    spoke: bool = False
    opened: bool = False
    """Its heading has been sent."""
    held: list[str] | None = None
    """Text that may turn out to be a thought, until the step ends; None: all text is passed on at once."""
    over: bool = False


class Composer:
    """Yields the text of a completion: the first step live, parallel steps after those that started before them.

    The content is a beginning of `final_text`: the agent's text, the agents' texts under their names, or the synthesis.
    All else (the manager's decisions, the specialists' answers, the models' reasoning) is `reasoning_content`.
    """

    def __init__(self, mode: Mode, *, unknown_models: Collection[str] = ()) -> None:
        """`unknown_models`: aliases of models whose text may begin with a thought that has only a closing tag.

        Their text is held until its end, because content cannot be taken back, unless their server separates thoughts.
        """
        self.mode = mode
        self.unknown_models = unknown_models
        self.content = ""
        """All content so far."""
        self._lanes: dict[str, Lane] = {}
        self._lost = False
        """Events were lost, so live content could differ from the final text and is no longer sent."""

    def feed(self, event: Mapping[str, Any]) -> Iterator[ChannelText]:
        """Yield the texts that an event adds."""
        for channel, text in self._pieces(event):
            if channel == "content":
                if self._lost:
                    continue
                self.content += text
            yield channel, text

    def rest(self, turn: Mapping[str, Any]) -> str:
        """Return the rest of an ended turn's final text; all of it if the content so far differs."""
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
                lane.waiting += delta_texts(lane, event["kind"], event["text"])
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
            doing = "answers" if event["purpose"] == Purpose.REPLY else "writes the conclusion"
            yield (
                "reasoning_content",
                f"\n{event['agent_name'] or 'The manager'} {doing} ({event['model']}).\n",
            )

    def _forget(self, turn: Mapping[str, Any]) -> None:
        """Drop waiting text, which the snapshot contains. Open steps stay for their further reasoning."""
        self._lost = True
        open_steps = {step["step_id"] for step in turn["steps"] if step["status"] == "started"}
        self._lanes = {step_id: lane for step_id, lane in self._lanes.items() if step_id in open_steps}
        for lane in self._lanes.values():
            lane.waiting, lane.held = [], None

    def _drain(self) -> Iterator[ChannelText]:
        """Yield the text that can be sent now: all of the first step, then of the next ones if it has ended."""
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
        """Return the separator between an answer and the text before it."""
        return SEPARATOR if self.content or channel == "reasoning_content" else ""


def delta_texts(lane: Lane, kind: str, text: str) -> list[ChannelText]:
    """Return the texts that a delta adds to a lane."""
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
    """Return the held text of a lane whose step has ended: it is the answer."""
    text, lane.held = "".join(lane.held or ()), None
    return delta_texts(lane, "text", text) if text else []


def routing_notice(event: Mapping[str, Any]) -> str:
    """Return a decision of the manager as a sentence."""
    if event["action"] == "synthesize":
        sentence = "concludes"
    else:
        chosen = [
            f"@{selection['agent_key']}"
            + (f" ({selection['instruction']})" if selection["instruction"] else "")
            for selection in event["selections"]
        ]
        sentence = f"asks {', '.join(chosen)}" if chosen else "asks no new question"
    reason = f" {event['reason']}" if event["reason"] else ""
    return f"\nRound {event['round']}: {sentence}.{reason}\n"
