"""The fields of a request that a server may refuse, and how its refusal names them.

A refused field is left out of further requests to the model. `system` and `turns` are not fields of the JSON: if they
are refused, the system prompt becomes part of the first user message, and successive messages of one role are joined.
Neither is `images`: if they are refused, a line names each of them.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from orchestration.engine.efforts import EFFORTS, effort_sent, refused_key
from orchestration.engine.efforts import FIELD as EFFORT
from orchestration.engine.files import without_images
from orchestration.engine.specs import IMAGES, ChatMessage, FileSpec, ModelRequest
from orchestration.gateway.image_refusals import refuses_images

SYSTEM = "system"
TURNS = "turns"


@dataclass(frozen=True, slots=True)
class RequestField:
    """A field that a request can do without."""

    key: str
    label: str
    """Follows "does not accept"."""
    effect: str
    """What is done instead, for the administration."""
    words: str = ""
    """A pattern of other names for it in messages."""


FIELDS = {
    each.key: each
    for each in (
        RequestField("temperature", "a temperature", "The model's own temperature is used."),
        RequestField("top_p", "top_p", "The model's own value is used."),
        RequestField(
            "response_format",
            "a JSON schema",
            "The prompt describes the JSON instead.",
            r"response[ _]format|parse grammar|json[ _-]?schema|json[ _-]mode|structured[ _]outputs?",
        ),
        RequestField(
            "output_config",
            "a JSON schema",
            "The prompt describes the JSON instead.",
            r"output[ _](?:config(?!\.effort)|format)|json[ _-]?schema|structured[ _]outputs?",
        ),
        RequestField(
            "stream_options", "stream_options", "Usage is estimated if the server does not report it."
        ),
        RequestField(
            "stream", "streaming", "The answer arrives as a whole.", r"streaming|verified to stream"
        ),
        RequestField("max_tokens", "max_tokens", "max_completion_tokens is sent instead."),
        RequestField("max_completion_tokens", "max_completion_tokens", "max_tokens is sent instead."),
        RequestField(
            EFFORT,
            "a reasoning effort",
            "The model's own effort is used.",
            r"reasoning[ _.]effort|output_config\.effort|effort (?:parameter|level)"
            r"|think(?:ing)?(?:[ _](?:budget|level))?",
        ),
        *(
            RequestField(
                refused_key(effort),
                f"the reasoning effort {effort!r}",
                "The nearest that the model offers is used, or the model's own.",
            )
            for effort in EFFORTS
        ),
        RequestField("thinking", "thinking", "The model's own setting is used."),
        RequestField("prompt_cache_key", "prompt_cache_key", "Prompts are cached without a hint."),
        RequestField("cache_control", "cache_control", "Prompts are cached without a hint."),
        RequestField("store", "store", "The server's own setting is used."),
        RequestField("safety_identifier", "safety_identifier", "No identifier is sent."),
        RequestField(
            SYSTEM,
            "a system prompt",
            "It is sent in the first user message.",
            r"(?:system|developer)['\"`]?(?: role| message| instruction| prompt)"
            r"|role['\"`]?:? ?['\"`]?(?:system|developer)"
            r"|does not support 'system'|system(?=: (?:extra|unexpected|input|field))",
        ),
        RequestField(IMAGES, "images", "A line with the name of each image is sent instead."),
        RequestField(
            TURNS,
            "successive messages of one role",
            "Successive messages of one role are joined.",
            r"alternat\w*",
        ),
    )
}

REFUSES = re.compile(
    r"unsupported|not (?:\w+ )?supported|n[o']t (?:currently )?support"
    r"|not (?:allowed|permitted|enabled|available|accepted|valid|recognized)"
    r"|unknown|unrecogni[sz]ed|unexpected|unavailable|invalid|cannot find field|deprecated"
    r"|only .{1,40} (?:is|are) allowed|must (?:be|alternate|not)|should alternate|incompatible"
    r"|extra (?:inputs|fields)|cannot be|does not exist|verified to stream|failed to parse|input should be|can't be"
    r"|no endpoints found that",
    re.IGNORECASE,
)
"""Words of a message that refuses something."""

UNNAMED = re.compile(
    r"no endpoints (?:found|available) that (?:can handle|support)\w* (?:all )?(?:of )?(?:the|your) "
    r"(?:requested|provided|request) parameters",
    re.IGNORECASE,
)
"""OpenRouter, "Provider routing": no server behind the broker takes all fields of the request. It names none."""
LIKELIEST = ("response_format", EFFORT, "temperature", "top_p", "max_completion_tokens")
"""Fields that servers refuse, those that fewest take first."""

LIMITS = frozenset({"max_tokens", "max_completion_tokens"})
NUMBERS = frozenset({"temperature", "top_p"}) | LIMITS
NOT_TAKEN = re.compile(
    r"unsupported[ _]param|n[o']t support param|unknown|unrecogni[sz]ed|unexpected"
    r"|extra[ _](?:inputs|fields|forbidden)|cannot find field"
    r"|not (?:a )?(?:supported|recognized|permitted) (?:by|with|for|on|in)|deprecated|\buse ['\"`]?max_",
    re.IGNORECASE,
)
"""Words of a refusal of a field, whatever its value."""
NOT_SUPPORTED = re.compile(r"unsupported|n[o']t (?:currently )?support|not supported", re.IGNORECASE)
ONE_VALUE = re.compile(
    r"unsupported[ _]value|n[o']t (?:currently )?support|not supported|only (?:the default|[\d.]+) "
    r"|must be (?:set to )?1\b",
    re.IGNORECASE,
)
OUT_OF_RANGE = re.compile(
    r"(?:above|below)_(?:max|min)|(?:less|greater)_than|(?:less|greater|more|higher|lower|smaller|larger) than"
    r"|\brange\b|\bbetween\b|\bat (?:least|most)\b|[<>]=?|[≤≥]|\bm(?:ax|in)imum\b|\bpositive\b"
    r"|too (?:large|small|high|low)|exceed|out of|\bwithin\b|\[ ?0|\(0|取值|范围|区间",
    re.IGNORECASE,
)
"""Words of a refusal of a number's value: another value would be accepted."""


def field_named(paths: Iterable[str], text: str, sent: Collection[str]) -> str:
    """Return which of the fields that were sent an error is about; empty if it names none.

    A path (`param`, `loc`) counts more than the message, which may also name the field to use instead.
    """
    for path in paths:
        if (name := _field_of_path(path, text, sent)) and name != IMAGES:
            return _effort_named(name, text, sent)
    if IMAGES in sent and refuses_images(text):
        return IMAGES
    if not REFUSES.search(text):
        return ""
    sent = set(sent) - {IMAGES}
    places = [(match.start(), name) for name in sent if (match := _named_in(name, text)) is not None]
    if not places:
        return ""
    # At the same place, "thinking" is the field and not another name for the effort.
    name = max((found for found in places if found[0] == min(places)[0]), key=lambda found: found[1])[1]
    # Templates that know no system role complain about the order of roles, whatever the order is.
    if TURNS in sent and TURNS in {found for _, found in places}:
        return TURNS
    return _effort_named(name, text, sent)


def is_about_value(name: str, text: str, sent: Collection[str]) -> bool:
    """Return whether a refusal (its codes and messages) may be about a number's value, which one user has chosen.

    What is learnt counts for everybody, so only words that leave no doubt refuse the field: of a temperature, also that
    there is one value alone, unless an effort may be the reason.
    """
    if name not in NUMBERS:
        return False
    if OUT_OF_RANGE.search(text) or (name not in LIMITS and EFFORT in sent):
        return True
    refused = NOT_TAKEN.search(text) is not None
    return not (refused or (name not in LIMITS and ONE_VALUE.search(text)))


def _effort_named(name: str, text: str, sent: Collection[str]) -> str:
    """Return the key of the sent effort if the refusal concerns only that effort, else `name`."""
    if name not in (EFFORT, "thinking"):
        return name
    effort = next((each for each in EFFORTS if refused_key(each) in sent), "")
    if not effort:
        return name
    if not (NOT_TAKEN.search(text) or NOT_SUPPORTED.search(text)):
        return refused_key(effort)  # one user's choice: the others may be taken
    if name == "thinking":
        # `none` is the only effort that is sent without `output_config`.
        return refused_key(effort) if effort == "none" else name
    mentioned = re.search(rf"['\"`]{effort}['\"`]|\b{effort}\b.{{0,20}}not supported", text, re.IGNORECASE)
    return refused_key(effort) if mentioned or OTHER_EFFORTS.search(text) else name


OTHER_EFFORTS = re.compile(
    r"(?:supported|allowed|valid|available) (?:values|levels|options|efforts)|input should be|must be (?:one of|in)"
    r"|expected one of|unknown variant|budget 0|thinking mode|thinking can(?:'|no)t be disabled|budget to 0",
    re.IGNORECASE,
)
"""Words of a refusal that leaves other efforts."""


def _field_of_path(path: str, text: str, sent: Collection[str]) -> str:
    first = snake_case(re.split(r"[.\[]", path, maxsplit=1)[0])
    if path.startswith(("output_config.effort", "reasoning.effort")):
        first = EFFORT
    if first == "messages":
        return next(
            (name for name in (TURNS, SYSTEM) if name in sent and _named_in(name, text) is not None), ""
        )
    return first if first in sent and first in FIELDS else ""


def _named_in(name: str, text: str) -> re.Match[str] | None:
    field = FIELDS.get(name)
    if field is None:
        return None
    spelled = [re.escape(name), re.escape(_camel_case(name))] if name not in (SYSTEM, TURNS) else []
    if name == SYSTEM:
        spelled.append(FIELDS[TURNS].words)
    pattern = "|".join([*spelled, *([field.words] if field.words else [])])
    return re.search(rf"(?<![\w])(?:{pattern})(?![\w])", text, re.IGNORECASE)


def snake_case(name: str) -> str:
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower()


def _camel_case(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(part.capitalize() for part in rest)


Content = str | list[str | FileSpec]
"""Of a message: text, or texts and images in order."""


def conversation_of(request: ModelRequest) -> tuple[str, list[dict[str, Any]]]:
    """Return the system prompt and the messages in the form that the model's server takes."""
    refused = request.model.unsupported
    system = request.system
    messages = [
        {"role": message.role, "content": content_of(message, images=request.model.takes_images)}
        for message in request.messages
    ]
    if system and SYSTEM in refused:
        if messages and messages[0]["role"] == "user":
            messages[0]["content"] = joined(system, messages[0]["content"])
        else:
            messages.insert(0, {"role": "user", "content": system})
        system = ""
    if TURNS in refused:
        merged: list[dict[str, Any]] = []
        for message in messages:
            if merged and merged[-1]["role"] == message["role"]:
                merged[-1]["content"] = joined(merged[-1]["content"], message["content"])
            else:
                merged.append(message)
        messages = merged
    return system, messages


def content_of(message: ChatMessage, *, images: bool) -> Content:
    """Return a message's text with its images between the texts. `images`: the model takes them."""
    if not message.images:
        return message.text
    if not images:
        return without_images(message).text
    texts = message.parts or (message.text,)
    content: list[str | FileSpec] = []
    begin = 0
    for place, image in message.images:
        content += [ChatMessage.SEPARATOR.join(texts[begin:place]), image]
        begin = place
    if begin < len(texts):
        content.append(ChatMessage.SEPARATOR.join(texts[begin:]))
    return content


def joined(one: Content, other: Content) -> Content:
    if isinstance(one, str) and isinstance(other, str):
        return f"{one}{ChatMessage.SEPARATOR}{other}"
    return [*([one] if isinstance(one, str) else one), *([other] if isinstance(other, str) else other)]


def fields_of(body: Mapping[str, Any], request: ModelRequest) -> frozenset[str]:
    """Return the keys of FIELDS that a request has."""
    system, messages = conversation_of(request)
    fields = {name for name in FIELDS if body.get(name)} | ({"temperature"} & body.keys())
    if effort := effort_sent(request):
        fields |= {EFFORT, refused_key(effort)}
    if "output_config" in fields and "format" not in body["output_config"]:
        fields.remove("output_config")
    if system:
        fields.add(SYSTEM)
    if any(not isinstance(message["content"], str) for message in messages):
        fields.add(IMAGES)
    if any(one["role"] == other["role"] for one, other in pairwise(messages)):
        fields.add(TURNS)
    return frozenset(fields.difference(request.model.unsupported))
