"""Parse the body of `POST /v1/chat/completions`: parameters are used, ignored or refused."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, NoReturn

from sessions.api.openai_compatible.parsing import URL_FIELDS, SentFile, refuse_too_many
from sessions.models import Message
from sessions.services.turn_request import ClientContext, ClientLine
from web.errors import PantheonError, ValidationFailed

SYSTEM_ROLES = ("system", "developer")
MAX_TOKENS = 10_000_000
MAX_MESSAGES = 2_000
"""Bounds the work per agent, since each agent's prompt contains all messages."""
MAX_SHOWN_CHARS = 500

WITHOUT_EFFECT = frozenset(
    {
        *("top_p", "top_k", "min_p", "presence_penalty", "frequency_penalty", "repetition_penalty", "seed"),
        *("user", "metadata", "store", "safety_identifier", "prompt_cache_key", "prompt_cache_retention"),
        *("reasoning_effort", "verbosity", "parallel_tool_calls"),
        *("reasoning", "include_reasoning", "thinking", "enable_thinking", "think", "usage"),
    }
)
"""Ignored parameters: many clients send them by default, and agents have settings of their own."""

DEFAULTS: dict[str, tuple[Any, ...]] = {
    "tools": ([],),
    "tool_choice": ("none", "auto"),
    "functions": ([],),
    "function_call": ("none", "auto"),
    "stop": ([], ""),
    "logprobs": (False,),
    "top_logprobs": (0,),
    "logit_bias": ({},),
    "response_format": ({"type": "text"},),
    "service_tier": ("auto", "default"),
    "modalities": (["text"],),
    "provider": ({},),
    "transforms": ([],),
}
"""Unsupported parameters, with the accepted values: those that change nothing."""

MESSAGE_EXTRAS = frozenset(
    {"name", "reasoning_content", "reasoning", "reasoning_details", "annotations", "id"}
)
"""Ignored fields of a message: clients copy them from answers, or they have no meaning here."""
EMPTY_EXTRAS: dict[str, tuple[Any, ...]] = {"tool_calls": ([],), "refusal": ("",)}

HONOURED = frozenset(
    {
        *("model", "messages", "stream", "stream_options", "temperature"),
        *("max_tokens", "max_completion_tokens", "n"),
    }
)


@dataclass(frozen=True, slots=True)
class CompletionRequest:
    """A parsed request."""

    model: str
    """`room:<id>` or `agent:<key>`."""
    message: str
    client: ClientContext
    stream: bool
    include_usage: bool
    sent: tuple[SentPart, ...] = ()
    """The files of all messages, in order."""


@dataclass(frozen=True, slots=True)
class SentPart:
    """A file in a message."""

    name: str
    file: SentFile
    line: int | None
    """The place of its message in `client.history`; None: it is the question's."""


def read_request(body: Any) -> CompletionRequest:
    """Parse a body; null counts as absent.

    Raises `invalid_parameter` for unsupported or malformed parameters, ValidationFailed for an invalid text.
    """
    if not isinstance(body, dict):
        refuse("messages", "The body must be a JSON object.")
    given = {name: value for name, value in body.items() if value is not None}
    for name in given.keys() - HONOURED - WITHOUT_EFFECT:
        if not is_one_of(given[name], DEFAULTS.get(name, ())):
            refuse(name, unsupported(name))
    if given.get("n", 1) != 1 or isinstance(given.get("n"), bool):
        refuse("n", "n must be 1.")
    model = given.get("model")
    if not isinstance(model, str):
        refuse("model", "model must be room:<id> or agent:<key>.")
    message, system, history, sent = read_messages(given.get("messages"))
    return CompletionRequest(
        model=model,
        message=message,
        client=ClientContext(
            system=system,
            history=history,
            temperature=temperature_of(given.get("temperature")),
            max_output_tokens=max_tokens_of(given),
        ),
        stream=boolean(given, "stream"),
        include_usage=include_usage_of(given.get("stream_options")),
        sent=sent,
    )


def is_one_of(value: Any, values: tuple[Any, ...]) -> bool:
    """Return whether a JSON value is one of these; `1` is not `true`."""
    return any(type(value) is type(each) and value == each for each in values)


def unsupported(name: str) -> str:
    if name not in DEFAULTS:
        return f"{name} is not supported. Leave it out."
    values = " or ".join(json.dumps(value) for value in DEFAULTS[name])
    return f"{name} is not supported. Leave it out, or send {values}."


def refuse(parameter: str, message: str) -> NoReturn:
    """Raise `invalid_parameter`. The client's name for it may be long, or have surrogates that UTF-8 cannot encode."""
    raise PantheonError("invalid_parameter", readable(message), {"parameter": readable(parameter)})


def readable(text: str) -> str:
    text = text.encode("utf-8", "replace").decode()
    return text if len(text) <= MAX_SHOWN_CHARS else text[:MAX_SHOWN_CHARS] + "…"


def boolean(values: dict[str, Any], name: str) -> bool:
    value = values.get(name, False)
    if not isinstance(value, bool):
        refuse(name, f"{name} must be true or false.")
    return value


def include_usage_of(options: Any) -> bool:
    if options is None:
        return False
    if not isinstance(options, dict):
        refuse("stream_options", "stream_options must be an object.")
    given = {name: value for name, value in options.items() if value is not None}
    for name in given.keys() - {"include_usage", "include_obfuscation"}:
        refuse("stream_options", f"stream_options.{name} is not supported.")
    return boolean(given, "include_usage")


def temperature_of(value: Any) -> float | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 2:
        refuse("temperature", "temperature must be a number from 0 to 2.")
    return float(value)


def max_tokens_of(given: dict[str, Any]) -> int | None:
    """Return the output limit of each answer: the smaller of the parameter's new and old name."""
    limits = []
    for name in ("max_tokens", "max_completion_tokens"):
        value = given.get(name)
        if value is None:
            continue
        if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= MAX_TOKENS:
            refuse(name, f"{name} must be a whole number from 1 to {MAX_TOKENS}.")
        limits.append(value)
    return min(limits, default=None)


def read_messages(messages: Any) -> tuple[str, str, tuple[ClientLine, ...], tuple[SentPart, ...]]:
    """Return the last user message, the system messages as one text, the messages before, and all files."""
    if not isinstance(messages, list) or not messages:
        refuse("messages", "messages must be a list with at least one message.")
    if len(messages) > MAX_MESSAGES:
        refuse(
            "messages",
            f"There are {len(messages):,} messages; at most {MAX_MESSAGES:,} are accepted. Send the newest.",
        )
    system: list[str] = []
    lines: list[ClientLine] = []
    files: list[list[NamedFile]] = []
    for place, message in enumerate(messages):
        role, text, sent = read_message(place, message)
        if role in SYSTEM_ROLES:
            system.append(text)
        else:
            lines.append(ClientLine("user" if role == "user" else "assistant", text))
            files.append(sent)
    if not lines or lines[-1].role != "user":
        refuse("messages", "The last message, system messages aside, must be a user message.")
    question = lines.pop().text
    if not question.strip():
        raise ValidationFailed({"messages": ["Write a message."]})
    if len(question) > Message.MAX_CHARS:
        raise ValidationFailed({"messages": [f"A message has at most {Message.MAX_CHARS} characters."]})
    kept = [place for place, line in enumerate(lines) if line.text.strip() or files[place]]
    history = tuple(lines[place] for place in kept)
    sent_parts = (
        SentPart(name, file, line) for line, place in enumerate(kept) for name, file in files[place]
    )
    own_parts = (SentPart(name, file, None) for name, file in files[-1])
    return (
        question,
        "\n\n".join(text for text in system if text.strip()),
        history,
        limited((*sent_parts, *own_parts)),
    )


def limited(parts: tuple[SentPart, ...]) -> tuple[SentPart, ...]:
    """Return the files. Raises ValidationFailed if there are too many different ones; one with two names is two."""
    refuse_too_many(len(parts), len({(part.name, part.file) for part in parts}))
    return parts


def read_message(place: int, message: Any) -> tuple[str, str, list[NamedFile]]:
    """Return a message's role, text and files."""
    at = f"messages[{place}]"
    if not isinstance(message, dict):
        refuse("messages", f"{at} must be an object with role and content.")
    role = message.get("role")
    if role not in (*SYSTEM_ROLES, "user", "assistant"):
        refuse("messages", f"{at}.role must be system, developer, user or assistant.")
    # Clients send answers back as they received them, with further fields.
    extra = {name for name, value in message.items() if value is not None}
    for name in extra - {"role", "content"} - MESSAGE_EXTRAS:
        if not is_one_of(message[name], EMPTY_EXTRAS.get(name, ())):
            refuse("messages", f"{at}.{name} is not supported. Leave it out.")
    content = message.get("content")
    if content is None and role == "assistant":
        content = ""
    text, files = read_parts(at, content, role) if isinstance(content, list) else (content, [])
    if not isinstance(text, str):
        refuse("messages", f"{at}.content must be text or a list of parts.")
    refuse_unstorable(at, text)
    return role, text, files


NamedFile = tuple[str, SentFile]


def read_parts(at: str, parts: list[Any], role: str) -> tuple[str, list[NamedFile]]:
    """Return the text of a message's parts, and its files."""
    texts: list[str] = []
    files: list[NamedFile] = []
    for number, part in enumerate(parts):
        kind = part.get("type") if isinstance(part, dict) else None
        where = f"{at}.content[{number}]"
        if kind == "text" and isinstance(part.get("text"), str):
            texts.append(part["text"])
        elif kind in ("image_url", "file") and role == "user":
            files.append(read_file(where, kind, part.get(kind), len(files) + 1))
        elif kind in ("image_url", "file"):
            refuse("messages", f"{where}: only user messages may have files.")
        else:
            refuse("messages", f"{where} must be a part of the type text, image_url or file.")
    return "".join(texts), files


def read_file(where: str, kind: str, value: Any, number: int) -> NamedFile:
    """Return the file of a part: an `image_url` with a data URL, or a `file` with `file_data`."""
    name = URL_FIELDS[kind]
    if not isinstance(value, dict) or not isinstance(value.get(name), str):
        extra = " A file_id is not supported." if isinstance(value, dict) and value.get("file_id") else ""
        refuse("messages", f"{where}.{kind}.{name} must be a data: URL.{extra}")
    sent = value[name]
    if not isinstance(sent, SentFile):
        if sent.startswith("data:"):
            refuse("messages", f"{where}.{kind}.{name} must have its content in Base64, after ';base64,'.")
        refuse("messages", f"{where}.{kind}.{name} must be a data: URL: the server fetches nothing.")
    given = value.get("filename")
    ending = sent.partition(";")[0].rpartition("/")[2]
    if isinstance(given, str) and given.strip():
        refuse_unstorable(f"{where}.file.filename", given)
        return given, sent
    return f"{'image' if kind == 'image_url' else 'file'}-{number}.{ending}", sent


def refuse_unstorable(at: str, text: str) -> None:
    """Raise ValidationFailed for characters that databases reject: NUL and lone surrogates."""
    if "\x00" in text:
        raise ValidationFailed({"messages": [f"{at}: Null characters are not allowed."]})
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise ValidationFailed({"messages": [f"{at}: Surrogate characters are not allowed."]}) from error
