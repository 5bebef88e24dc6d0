"""`@key` tags: the agents that a message addresses."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

EVERYBODY = "all"
MAX_UNKNOWN = 20
"""Maximum unknown tags that are listed: a message may have thousands."""
MAX_WORD_CHARS = 64

CODE = re.compile(
    r"(?P<fence>`{3,}|~{3,}).*?(?:(?P=fence)|\Z)|(?<!`)(?P<tick>`+)(?!`).+?(?<!`)(?P=tick)(?!`)", re.DOTALL
)
"""Fenced code (an unclosed fence runs to the end) and code spans, in which an @ is not a tag.

A span does not begin inside a run of backticks: otherwise each backtick that a fence leaves over would start a search
to the end of the text.
"""

LATIN = "A-Za-z0-9_ªºÀ-ÖØ-öø-ɏ\u0300-\u036fḀ-ỿ０-９Ａ-Ｚａ-ｚ"
"""Latin letters with their accents, and digits. Scripts such as Chinese write no space before a tag."""

TAG = re.compile(rf"(?<![{LATIN}.@＠+%/-])[@＠](?P<word>[A-Za-z0-9_-]++)(?![@＠])")
"""An @ or a full-width one that does not follow a Latin word or belong to an email address."""

SEPARATORS = re.compile(r"[\s,.:;!?–—-]|\b(?:and|or|und|et|y)\b|&", re.IGNORECASE)
"""What stands between tags, and after the last."""
BETWEEN = " \t\r\n,:;–—-"
CLOSING = re.compile(r"[^?!？！]")


@dataclass(frozen=True, slots=True)
class Tags:
    """Agents in the order of first mention, and the first tags that match no agent."""

    keys: tuple[str, ...]
    unknown: tuple[str, ...]


def parse_tags(message: str, keys: Sequence[str]) -> Tags:
    """Find the tags of `message` among the room's `keys` (lower-case, in room order).

    Case-insensitive; the longest key wins; trailing punctuation is ignored; `@all` matches all agents.
    """
    by_length = sorted(keys, key=len, reverse=True)
    tagged: dict[str, None] = {}
    unknown: dict[str, None] = {}
    for match in TAG.finditer(without_code(message)):
        word = match["word"].lower()
        key = next((key for key in by_length if matches(word, key)), None)
        if key is not None:
            tagged.setdefault(key)
        elif matches(word, EVERYBODY):
            tagged.update(dict.fromkeys(keys))
        elif len(unknown) < MAX_UNKNOWN:
            unknown.setdefault((match["word"].rstrip("-_") or match["word"])[:MAX_WORD_CHARS])
    return Tags(tuple(tagged), tuple(unknown))


def without_code(message: str) -> str:
    """Return a message with spaces in place of code, in which an @ is not a tag."""
    return CODE.sub(lambda code: " " * len(code.group()), message)


def without_tags(message: str, keys: Sequence[str]) -> str:
    """Return a message without the tags at its beginning and end; those inside a sentence lose their @.

    Only the tags of the room's `keys` and `@all`: any other is text.
    """
    known = (*keys, EVERYBODY)
    tags = [
        match.span()
        for match in TAG.finditer(without_code(message))
        if any(matches(match["word"].lower(), key) for key in known)
    ]
    start, end, closing = 0, len(message), ""
    while tags and not SEPARATORS.sub("", message[start : tags[0][0]]):
        start = tags.pop(0)[1]
    while tags and not SEPARATORS.sub("", message[tags[-1][1] : end]):
        closing = closing or CLOSING.sub("", message[tags[-1][1] : end])[:1]
        end = tags.pop()[0]
    inner = [position for position, _ in tags]
    pieces = [message[a:b] for a, b in zip([start, *(at + 1 for at in inner)], [*inner, end], strict=True)]
    text = "".join(pieces)
    if start:
        text = text.lstrip(BETWEEN)
    if end < len(message):
        text = text.rstrip(BETWEEN) + closing
    return text.strip()


def matches(word: str, key: str) -> bool:
    """Return whether a tagged word is this key, ignoring dashes and underscores at its end."""
    return word == key or (word.startswith(key) and not word[len(key) :].strip("-_"))
