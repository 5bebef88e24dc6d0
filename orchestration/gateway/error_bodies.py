"""Read error objects in the shapes of all servers: codes, fields, messages and figures.

Shapes: OpenAI, "Error codes"; Anthropic, "Errors"; Azure, "Content filtering" (`innererror`); FastAPI (`detail[].loc`,
also inside Mistral's `message`); Google (a list, `details[].reason`); OpenRouter, "Errors" (`metadata.raw` quotes the
upstream server); MiniMax, "Error codes" (`base_resp`); xAI, LM Studio and Ollama (`error` is a text).
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from orchestration.gateway.quotations import without_quotations

MAX_DEPTH = 8
MAX_TEXT_CHARS = 4000
MAX_TOTAL_CHARS = 16_000
"""Limit for all texts together, since each may quote an error object that has texts."""
MAX_PATH_CHARS = 200
MAX_VALUES = 200
MAX_PARSED = 4
"""Limit for texts in which JSON is looked for: each may quote the next server behind it."""
MAX_FIGURE = 2**53
ELLIPSIS = "…"

INNER = (
    "error",
    "errors",
    "detail",
    "details",
    "innererror",
    "inner_error",
    "metadata",
    "raw",
    "message",
    "msg",
)
"""Names whose values may hold a further error object. Others are not read: `input`, for one, quotes the request."""
CODES = ("code", "type", "status", "reason", "error_code", "object")
FIGURES = ("n_ctx", "n_prompt_tokens")


@dataclass(slots=True)
class ErrorFacts:
    """The facts of an error object, outermost first."""

    statuses: list[int] = field(default_factory=list)
    """Numbers that are HTTP statuses of errors."""
    codes: list[str] = field(default_factory=list)
    """Codes and types in lower case; those of `base_resp` as `base_resp:1008`."""
    quoted: Collection[str] = ()
    """Texts of the conversation, in which no facts are looked for."""
    parsed: int = 0
    """Texts in which JSON was looked for."""
    visited: int = 0
    """Objects, lists and texts that were read."""
    paths: list[str] = field(default_factory=list)
    """Fields of the request, as dotted paths without `body`."""
    texts: list[str] = field(default_factory=list)
    shown: list[str] = field(default_factory=list)
    """The texts without the JSON that they quote."""
    figures: dict[str, int] = field(default_factory=dict)

    @property
    def text(self) -> str:
        return "\n".join(self.texts)[:MAX_TEXT_CHARS]


def is_error(payload: Mapping[str, Any]) -> bool:
    """Return whether a payload that should be an answer, or an event of one, is an error object."""
    if payload.get("error") or payload.get("object") == "error" or payload.get("type") == "error":
        return True
    base = payload.get("base_resp")
    if isinstance(base, Mapping) and base.get("status_code"):
        return True
    if payload.get("choices") or payload.get("usage") or payload.get("content"):
        return False
    if payload.get("detail") or payload.get("errors"):
        return True
    has_message = isinstance(payload.get("message"), str) or isinstance(payload.get("msg"), str)
    return has_message and any(payload.get(name) for name in CODES)


def facts_of(body: Any, quoted: Collection[str] = ()) -> ErrorFacts:
    """Return the facts of an error object: JSON, the text of a response, or a part of an event.

    `quoted`: texts of the conversation, which the server may quote.
    """
    facts = ErrorFacts(quoted=quoted)
    _read(body, facts, 0)
    return facts


def words_of(body: Any, quoted: Collection[str] = ()) -> str:
    """Return the codes, fields and messages of an error, for the log and staff.

    Other fields are left out: some have what the model wrote, as Groq's `failed_generation`.
    """
    facts = facts_of(body, quoted)
    statuses = map(str, facts.statuses)
    return "; ".join(dict.fromkeys(filter(None, [*facts.codes, *statuses, *facts.paths, *facts.shown])))


def _read(value: Any, facts: ErrorFacts, depth: int) -> None:
    if value is None or depth > MAX_DEPTH or facts.visited > MAX_VALUES:
        return
    facts.visited += 1
    if isinstance(value, Mapping):
        _read_object(value, facts, depth)
    elif isinstance(value, list):
        for item in value[:MAX_VALUES]:
            _read(item, facts, depth + 1)
    elif isinstance(value, str):
        _read_text(value, facts, depth)


def _read_object(value: Mapping[Any, Any], facts: ErrorFacts, depth: int) -> None:
    for name in CODES:
        _add_code(value.get(name), facts)
    for name in FIGURES:
        figure = value.get(name)
        if isinstance(figure, int) and not isinstance(figure, bool) and 0 <= figure <= MAX_FIGURE:
            facts.figures.setdefault(name, figure)
    if isinstance(path := value.get("param"), str) and path:
        facts.paths.append(path[:MAX_PATH_CHARS])
    if isinstance(location := value.get("loc"), list):
        facts.paths.append(".".join(_names(location[:MAX_DEPTH]))[:MAX_PATH_CHARS])
    base = value.get("base_resp")
    if isinstance(base, Mapping):
        facts.codes.append(f"base_resp:{base.get('status_code')}")
        _read(base.get("status_msg"), facts, depth + 1)
    for name in INNER:
        _read(value.get(name), facts, depth + 1)


def _add_code(value: Any, facts: ErrorFacts) -> None:
    if isinstance(value, bool):
        return
    if isinstance(value, str) and value.isdecimal() and len(value) == 3:
        value = int(value)
    if isinstance(value, int) and 400 <= value <= 599:
        facts.statuses.append(value)
    elif isinstance(value, (str, int)) and str(value):
        facts.codes.append(str(value).lower()[:100])


def _read_text(value: str, facts: ErrorFacts, depth: int) -> None:
    """Record a message; also what it quotes, as LiteLLM and OpenRouter quote other servers."""
    text = value[: min(MAX_TEXT_CHARS, MAX_TOTAL_CHARS - sum(map(len, facts.texts)))]
    if not text:
        return
    facts.texts.append(text)
    facts.shown.append(text.partition("failed_generation")[0])
    if not {"{", "["} & set(text) or facts.parsed >= MAX_PARSED:
        return
    facts.parsed += 1
    text = without_quotations(text, facts.quoted, ELLIPSIS) if facts.quoted else text
    begins = [place for bracket in "[{" if (place := text.find(bracket)) >= 0]
    end = max(text.rfind("]"), text.rfind("}"))
    if not begins or end < min(begins):
        return
    try:
        inner = json.loads(text[min(begins) : end + 1])
    except (ValueError, RecursionError):
        return
    if isinstance(inner, (Mapping, list)):
        facts.shown[-1] = f"{text[: min(begins)]}{ELLIPSIS}{text[end + 1 :]}"
        _read(inner, facts, depth + 1)


def _names(location: Iterable[Any]) -> list[str]:
    names = [str(part) for part in location]
    return names[1:] if names[:1] == ["body"] else names
