"""The built-in demo model: no AI; deterministic answers in the role of the speaking agent.

For trying a council without a key. It names the files that it was given and the agents that answered earlier in the
turn, follows the JSON contracts of the manager and of the summarizer, writes titles, streams at a human pace and
reports usage (an estimate, four characters a token, reported as the provider's own).
"""

from __future__ import annotations

import asyncio
import json
import re
import zlib
from collections.abc import AsyncGenerator, Iterator
from typing import Any

from orchestration.engine.image_tokens import image_tokens
from orchestration.engine.ports import Completed, ModelEvent, Opened, PartialUsage, TextDelta
from orchestration.engine.purposes import Purpose
from orchestration.engine.specs import FileSpec, ModelRequest, Usage, UsageReport
from orchestration.engine.title import ASK as TITLE_ASK

CHARS_PER_TOKEN = 4
QUOTED_CHARS = 160
CODE_WORDS = re.compile(r"(?i)\b(code|function|python|script|sql|json|algorithm|class|bug)\b")
MESSAGE_NUMBER = re.compile(r"(?m)^\W{0,3}#?(\d+)\b")
HEARD = re.compile(r"(?m)^\[([^\]\n]{1,120}) \(@[\w-]+\)\]: ")
"""The opening of another member's answer, as orchestration.engine.context attributes it."""
MARKS = re.compile(r"[^\w\s.,;:!?'’%€$-]+")
HEARD_CHARS = 60
MAX_HEARD = 3
MAX_SELECTIONS = 2
TITLE_WORDS = 8
TITLE_CHARS = 60
FILLERS = re.compile(
    r"(?i)^(?:(?:hello|hi|hey|please)\b[\s,!]*)*(?:(?:should|can|could|would|shall|do|did|will)\s+(?:we|i|you|they)"
    r"|how\s+(?:do|can|should|would)\s+(?:we|i|you)|what\s+(?:is|are|do\s+you\s+think\s+(?:of|about))"
    r"|tell\s+(?:me|us)\s+about)\s+(?:please\s+)?"
)
"""Beginnings of a question that say nothing in a title."""
LOOSE_END = re.compile(
    r"(?i)(?:[\s,;:]+(?:an?|the|and|or|but|of|for|to|in|on|at|with|by|from|as|if|that|than|is|are|our|my|your))+$"
)
OPENINGS = (
    "In that role I would look at:",
    "From there I would ask about:",
    "What I would weigh first:",
)
POINTS = ("what **{}** means for you", "who decides about **{}**", "what **{}** takes, and when")


async def demo_events(request: ModelRequest, words_per_s: float) -> AsyncGenerator[ModelEvent, None]:
    """Answer a request. `words_per_s` 0 streams without pauses."""
    text = answer(request)
    allowed = request.max_output_tokens * CHARS_PER_TOKEN
    finish_reason = "length" if len(text) > allowed else "stop"
    text = text[:allowed]
    images = sum(
        image_tokens(image, request.model) for message in request.messages for _, image in message.images
    )
    given = Usage(input=_tokens(_everything(request)) + images)
    yield Opened(model_served=request.model.model_id)
    yield PartialUsage(given, {"input_tokens": given.input})
    for piece in re.findall(r"\s*\S+\s*", text):
        await asyncio.sleep(1 / words_per_s if words_per_s > 0 else 0)
        yield TextDelta(piece)
    usage = Usage(input=given.input, output=_tokens(text))
    raw: dict[str, object] = {"input_tokens": usage.input, "output_tokens": usage.output}
    yield Completed(UsageReport(usage, "provider", raw), finish_reason)


def answer(request: ModelRequest) -> str:
    """Return the complete answer to a request."""
    match request.purpose:
        case Purpose.ROUTE | Purpose.EVALUATE:
            return json.dumps(_decision(request))
        case Purpose.SUMMARIZE:
            return json.dumps(_summary(request))
        case Purpose.TITLE:
            return _title(request)
        case Purpose.SYNTHESIZE:
            return _synthesis(request)
    return _reply(request)


def _reply(request: ModelRequest) -> str:
    name = request.speaker_name or "the agent"
    question = _question(request)
    role = _first_sentence(request.speaker_role) or "to help with what you ask"
    manner = zlib.crc32(name.encode("utf-8", "replace")) >> 2
    paragraphs = [
        f"I speak for **{name}**, but I am the built-in demo: a script, not an AI. "
        "With an API key in the environment, a real model answers here.",
        f"> {_quote(question)}",
        *_given_files(request),
        *_earlier_answers(request),
        f"My role: {role}. {OPENINGS[manner % len(OPENINGS)]}",
        "\n".join(f"- {point}" for point in _points(question, name, POINTS[manner % len(POINTS)])),
    ]
    if CODE_WORDS.search(question) or zlib.crc32(question.encode("utf-8", "replace")) % 4 == 0:
        paragraphs.append(
            f'```python\ndef {_identifier(name)}(question: str) -> str:\n    return "a real answer"\n```'
        )
    return "\n\n".join(paragraphs)


def _synthesis(request: ModelRequest) -> str:
    return "\n\n".join(
        [
            "This is a summary of the answers. I am the built-in demo: a script, not an AI.",
            f"> {_quote(_question(request))}",
            "1. Every answer above counts the same to me, since I cannot weigh them.\n"
            "2. With an API key in the environment, a real model writes the conclusion here.",
        ]
    )


def _given_files(request: ModelRequest) -> Iterator[str]:
    """Yield a sentence about the files that came with the question; nothing without any."""
    given = [f"**{_plain(file.name)}** ({', '.join(_facts(file))})" for file in request.files]
    if given:
        yield f"I was given {' and '.join(filter(None, [', '.join(given[:-1]), given[-1]]))}."


def _facts(file: FileSpec) -> Iterator[str]:
    """Yield a file's kind and sizes."""
    yield file.kind
    if file.pages:
        yield f"{file.pages} page{'s' if file.pages > 1 else ''}"
    if file.width and file.height:
        yield f"{file.width} × {file.height} pixels"
    if file.text is not None:
        yield f"{len(file.text):,} characters"
    yield f"{file.bytes:,} bytes"


def _question(request: ModelRequest) -> str:
    """Return the user's question, without tags."""
    question = re.sub(r"(?<!\S)@[\w-]+[,:]?\s*", "", request.question).strip()
    return question or request.question or _last_user_text(request)


def _earlier_answers(request: ModelRequest) -> Iterator[str]:
    """Yield a sentence that names and quotes the agents that answered earlier in this turn; nothing without any."""
    conversation = "\n\n".join(
        ["", *(message.text for message in request.messages if message.role == "user"), ""]
    )
    _, question, since = conversation.rpartition(f"\n\n{request.question}\n\n")
    if not question or not request.question:
        return
    _, *answers = HEARD.split(since)
    texts = dict(zip(answers[::2], answers[1::2], strict=True))
    named = [
        f"{_plain(name)} (“{_gist(text)}”)" for name, text in texts.items() if name != request.speaker_name
    ]
    if named:
        yield f"Before me I heard {' and '.join(named[-MAX_HEARD:])}. I add to that."


def _gist(text: str) -> str:
    """Return a few words of an answer: its first point, or its beginning."""
    points = re.findall(r"(?m)^- (.+)", text)
    words = _plain(points[0] if points else text)
    return words if len(words) <= HEARD_CHARS else words[:HEARD_CHARS].rsplit(" ", 1)[0] + " …"


def _plain(text: str) -> str:
    """Return a text on one line, without characters that Markdown could interpret."""
    return " ".join(MARKS.sub(" ", text).split())


def _points(question: str, name: str, manner: str) -> Iterator[str]:
    """Yield three points that use the longest words of the question."""
    words = dict.fromkeys(word.lower() for word in re.findall(r"[^\W\d_]{5,}", question))
    longest = sorted(words, key=len, reverse=True)[:2]
    yield from (manner.format(word) for word in longest)
    yield from ["what you know already", "what would change your mind"][: 2 - len(longest)]
    yield f"what only {name} can add"


def _decision(request: ModelRequest) -> dict[str, Any]:
    """Return the manager's decision: ask the first agents once, then synthesize."""
    keys = _agent_keys(request.json_schema)
    if request.purpose == Purpose.EVALUATE or not keys:
        return {
            "action": "synthesize",
            "selections": [],
            "reason": "The built-in demo asks once, then concludes.",
        }
    question = _quote(_question(request))
    selections = [
        {"agent_key": key, "instruction": f"Answer from your role: {question}"}
        for key in keys[:MAX_SELECTIONS]
    ]
    return {
        "action": "route",
        "selections": selections,
        "reason": "The built-in demo asks the first agents of the room.",
    }


def _summary(request: ModelRequest) -> dict[str, Any]:
    """Return the summarizer's object; a fact names the last numbered message of its input."""
    text = _last_user_text(request)
    text = text[max(0, text.find("#")) :]
    numbers = MESSAGE_NUMBER.findall(text)
    facts = [{"text": _quote(text), "message_seq": int(numbers[-1][:9])}] if numbers else []
    return {
        "summary_text": f"Written by the built-in demo, not by an AI. It began with: {_quote(text)}",
        "key_facts": facts,
        "decisions": [],
        "open_questions": [],
        "action_items": [],
    }


def _title(request: ModelRequest) -> str:
    """Return the main words of the first question in the message."""
    message = _last_user_text(request).removeprefix(TITLE_ASK)
    sentence = _plain(re.split(r"(?<=[.!?。！？])\s|\n", message.strip(), maxsplit=1)[0]).rstrip(".!?。！？ ")
    words = (FILLERS.sub("", sentence) or sentence).split()[:TITLE_WORDS]
    while len(words) > 1 and len(" ".join(words)) > TITLE_CHARS:
        words.pop()
    title = LOOSE_END.sub("", " ".join(words)[:TITLE_CHARS]).rstrip(",;:")
    return title[:1].upper() + title[1:] or "New question"


def _agent_keys(schema: Any) -> list[str]:
    """Return the roster: the values that the decision's JSON schema allows for `agent_key`."""
    if isinstance(schema, list):
        return next((keys for item in schema if (keys := _agent_keys(item))), [])
    if not isinstance(schema, dict):
        return []
    allowed = schema.get("agent_key")
    if isinstance(allowed, dict) and isinstance(allowed.get("enum"), list):
        return [key for key in allowed["enum"] if isinstance(key, str)]
    return _agent_keys(list(schema.values()))


def _last_user_text(request: ModelRequest) -> str:
    return next((message.text for message in reversed(request.messages) if message.role == "user"), "")


def _quote(text: str) -> str:
    """Return the beginning of a text on one line."""
    line = " ".join(text.split())
    return line if len(line) <= QUOTED_CHARS else line[:QUOTED_CHARS].rsplit(" ", 1)[0] + " …"


def _first_sentence(text: str) -> str:
    return _quote(re.split(r"(?<=[.!?])\s|\n", text.strip(), maxsplit=1)[0]).rstrip(".!?")


def _identifier(name: str) -> str:
    return re.sub(r"\W+", "_", name.lower()).strip("_") or "agent"


def _everything(request: ModelRequest) -> str:
    return request.system + "".join(message.text for message in request.messages)


def _tokens(text: str) -> int:
    return -(-len(text) // CHARS_PER_TOKEN)
