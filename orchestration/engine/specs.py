"""The inputs of a turn, as frozen data. A TurnSpec is the snapshot stored when a turn is accepted."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from orchestration.engine.purposes import Purpose

if TYPE_CHECKING:  # its functions run a spec
    from orchestration.engine.modes import Mode

Role = Literal["user", "assistant"]

CLOSING_TAG = re.compile(r"<(?=\s*/\s*file\b)", re.IGNORECASE)
"""In a file's text: it would end the tags that the text stands between."""
IMAGES = "images"
"""The key in `ModelSpec.unsupported` of a model whose server refuses images."""


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """A catalogue model as of when the turn was accepted. Never holds a key, only the name of its variable."""

    id: str
    alias: str
    model_id: str
    """The provider's name for the model."""
    provider: str
    kind: str
    """The provider's wire format: a key of the gateway's table of kinds."""
    base_url: str
    base_url_env: str
    key_env: str
    context_window: int
    """Tokens, input and output together."""
    max_output_tokens: int
    json_schema: bool
    temperature: bool
    calibration: float = 1.0
    """The provider's tokens per estimated token, from earlier calls: estimates are multiplied by it."""
    unsupported: Sequence[str] = ()
    """Fields of a request that the server refuses for this model; the gateway leaves them out."""
    first_token_timeout_s: float | None = None
    """The model's own limit for the first token; None: the instance's."""
    opens_in_thought: bool | None = False
    """Its answers begin with a thought that has only a closing tag; None: they may, no answer has shown it yet."""
    vision: bool = False
    """It takes images, unless `unsupported` has IMAGES."""
    prompt_caching: bool = True
    """The provider is asked to cache the beginning of prompts."""
    served_as: str = ""
    """The provider's name for the model in its answers, if it is not `model_id`, as of a deployment."""
    reasoning_effort: str = ""
    """One of EFFORTS, for calls that ask for no other; empty: the model's own."""
    reasoning_efforts: Sequence[str] = ()
    """The efforts that the model offers; empty: not known."""
    served_window: int | None = None
    """A smaller context window that the server named when it refused a longer request."""
    read_most: int | None = None
    """The input tokens that the server counted for several requests of different sizes."""

    @property
    def takes_images(self) -> bool:
        return self.vision and IMAGES not in self.unsupported


@dataclass(frozen=True, slots=True)
class AgentSpec:
    """A member of the council."""

    id: str
    key: str
    name: str
    role_prompt: str
    model: ModelSpec
    temperature: float | None = None
    max_output_tokens: int | None = None
    reasoning_effort: str = ""
    """One of EFFORTS; empty: the model's."""


@dataclass(frozen=True)
class FileSpec:
    """A file that a user attached to a message. The content of an image is read when a call is sent."""

    id: str
    name: str
    kind: Literal["text", "image"]
    media_type: str = ""
    bytes: int = 0
    pages: int | None = None
    text: str | None = field(default=None, repr=False)
    """What models read; None: it is an image, or does not fit into any window of the turn's models."""
    excerpt: str = field(default="", repr=False)
    """The beginning of a text that does not fit."""
    width: int | None = None
    height: int | None = None
    tokens: int = 0
    """An estimate for any model."""
    content: str = ""
    """The address of its content, for the port that reads images."""

    # Computed once: the prompts of all agents have the same text, which may be megabytes.
    @cached_property
    def escaped_text(self) -> str:
        """The text, unable to close the tags around it; the same object if it has nothing to escape."""
        return without_closing_tags(self.text or "")

    @cached_property
    def escaped_bytes(self) -> int:
        return len(self.escaped_text.encode("utf-8", "surrogatepass"))


def without_closing_tags(text: str) -> str:
    return CLOSING_TAG.sub("&lt;", text)


@dataclass(frozen=True, slots=True)
class HistoryMessage:
    """A message of an earlier turn, or of the history that a client sent with its question."""

    seq: int
    """The place in the transcript, from 1; messages sent by a client come before it, below 1."""
    role: Literal["user", "agent", "manager"]
    text: str
    agent_key: str = ""
    """Empty: the client has the answers of several agents as one message."""
    agent_name: str = ""
    files: tuple[FileSpec, ...] = ()
    """Attached by a user, in order."""


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits of a turn."""

    max_rounds: int = 1
    max_selections: int = 3
    """Agents that the manager may choose per round."""
    max_specialist_calls: int = 12
    answer_max_tokens: int | None = None
    """The request's limit for the manager's answer (agents' limits include it already); None: the model's limit."""
    answer_temperature: float | None = None
    """The request's temperature for the manager's answer."""
    manager_max_tokens: int = 4096
    summarizer_max_tokens: int = 4096
    always_synthesize: bool = False
    speaker_guard: bool = True
    """Cut answers at the point where they go on as another member."""


@dataclass(frozen=True, slots=True)
class CarriedAnswer:
    """A complete answer of the turn that this one replaces: kept as it is, at no cost."""

    message_id: str
    """The id of the copy in the transcript."""
    agent_key: str
    text: str
    round: int
    model: str
    """The alias of the model that answered."""


@dataclass(frozen=True, slots=True)
class SummaryItem:
    """An item worth remembering, and the message it came from."""

    text: str
    message_seq: int | None
    pinned: bool = False


@dataclass(frozen=True, slots=True)
class SummarySpec:
    """The conversation up to a message, condensed."""

    text: str
    key_facts: tuple[SummaryItem, ...] = ()
    decisions: tuple[SummaryItem, ...] = ()
    open_questions: tuple[SummaryItem, ...] = ()
    action_items: tuple[SummaryItem, ...] = ()


@dataclass(frozen=True, slots=True)
class SummaryPlan:
    """The messages to summarize in this turn: the history up to a seq."""

    through_seq: int
    first: bool
    """Summarize before the answers, which would not fit otherwise; else in parallel with them."""


@dataclass(frozen=True, slots=True)
class TurnSpec:
    """One user message and the council that answers it."""

    turn_id: str
    session_id: str
    index: int | None
    mode: Mode
    message: str
    roster: tuple[AgentSpec, ...]
    addressed: tuple[str, ...]
    """Keys of the agents to ask, in order; empty if the manager chooses."""
    room_name: str = ""
    goal: str = ""
    manager: ModelSpec | None = None
    summarizer: ModelSpec | None = None
    limits: Limits = Limits()
    carried: tuple[CarriedAnswer, ...] = ()
    instructions: Mapping[str, str] = field(default_factory=dict)
    """Agent key -> the manager's instruction in the turn that this one replaces."""
    history: tuple[HistoryMessage, ...] = ()
    """Messages since the summary, oldest first."""
    client_system: str = ""
    """The client's own system messages; they follow the role prompts."""
    summary: SummarySpec | None = None
    summarize: SummaryPlan | None = None
    draft_title: str = ""
    """The session's title, made from the message: a model may write a better one. Empty: it may not."""
    files: tuple[FileSpec, ...] = ()
    """Attached to the message, in order."""

    @property
    def has_files(self) -> bool:
        """Whether any message of the conversation has a file."""
        return bool(self.files) or any(line.files for line in self.history)

    def agent(self, key: str) -> AgentSpec:
        """Return the roster's agent with that key. Raises KeyError."""
        for agent in self.roster:
            if agent.key == key:
                return agent
        raise KeyError(key)

    def missing(self) -> list[str]:
        """Return the keys of addressed agents without a carried answer, in order."""
        have = {answer.agent_key for answer in self.carried}
        return [key for key in self.addressed if key not in have]


@dataclass(frozen=True, slots=True)
class ChatMessage:
    """A message as sent to a provider."""

    role: Role
    text: str
    parts: tuple[str, ...] = field(default=(), compare=False, repr=False)
    """The texts that were joined by SEPARATOR to `text`; empty: it is one. Parts repeat from prompt to prompt."""
    images: tuple[tuple[int, FileSpec], ...] = field(default=(), repr=False)
    """Images, each with the number of parts before it; the last of these is its label."""

    SEPARATOR: ClassVar = "\n\n"


@dataclass(frozen=True, slots=True)
class ModelRequest:
    """One model call."""

    model: ModelSpec
    system: str
    messages: tuple[ChatMessage, ...]
    max_output_tokens: int
    purpose: Purpose
    temperature: float | None = None
    json_schema: dict[str, object] | None = None
    """A JSON schema for the answer, for models that support one."""
    speaker_name: str = ""
    """The name of the speaker; the demo model introduces itself with it."""
    speaker_role: str = ""
    """The speaker's role prompt alone, for the demo model."""
    question: str = ""
    """The user's message of this turn alone, for the demo model."""
    files: tuple[FileSpec, ...] = ()
    """The files of that message."""
    contents: Mapping[str, str] = field(default_factory=dict, compare=False, repr=False)
    """Id of an image -> its content in Base64, only while the request is sent."""
    cache_key: str = ""
    """Equal for calls whose prompts have the same beginning: those of one speaker in one session."""
    reasoning_effort: str = ""
    """One of EFFORTS that the model offers; empty: none is sent."""


INPUT_BUCKETS = ("input", "cache_read", "cache_write_5m", "cache_write_1h")
"""Uncached input, cache reads, and cache writes."""
BUCKETS = (*INPUT_BUCKETS, "output")
"""The disjoint buckets of tokens, each with its own rate: the first fields of `Usage`."""


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens in BUCKETS; `reasoning` is a part of `output`."""

    input: int = 0
    cache_read: int = 0
    cache_write_5m: int = 0
    cache_write_1h: int = 0
    output: int = 0
    reasoning: int = 0

    @property
    def total_input(self) -> int:
        """The provider's total."""
        return sum(getattr(self, bucket) for bucket in INPUT_BUCKETS)

    @property
    def cache_write(self) -> int:
        """Cache writes of any lifetime."""
        return self.cache_write_5m + self.cache_write_1h


@dataclass(frozen=True, slots=True)
class UsageReport:
    """The usage of a call, and its source."""

    usage: Usage
    source: Literal["provider", "estimated", "none"]
    raw: dict[str, object] | None = None
    """The provider's usage object, unchanged."""
    flags: tuple[str, ...] = field(default=())
    """Inconsistencies: `input_mismatch`, `unknown_key:<name>`, `output_mismatch`, `missing_input`."""
    provider_cost_usd: str | None = None
    """The cost reported by the provider, as a decimal string."""

    def as_dict(self) -> dict[str, Any]:
        """Return the report as JSON-ready data, which `from_dict` reads."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> UsageReport:
        return cls(**{**data, "usage": Usage(**data["usage"]), "flags": tuple(data["flags"])})
