"""Upper bounds of tokens, which no traffic can move: what budgets hold.

A tokenizer of bytes, and one that falls back to bytes, makes no more tokens of a text than it has UTF-8 bytes. Less is
counted only for what is one token in each of the tokenizers measured (docs/metering.md): common English words,
common characters beyond ASCII, and indentation. What a person types can cost up to its bytes; what they mostly type
does not.
"""

from __future__ import annotations

import json
from collections import Counter
from functools import lru_cache
from itertools import repeat
from unicodedata import normalize

from orchestration.engine.specs import ModelRequest
from orchestration.engine.tokens import utf8_bytes
from orchestration.engine.vocabulary import CHARACTERS, WORDS

MESSAGE_FRAME = 16
"""The most tokens that a chat template puts around a message."""
REQUEST_FRAME = 256
"""The most tokens that a chat template begins and ends a request with: its date, its own system prompt."""
SCHEMA_FRAME = 256
"""The most tokens with which a provider explains a JSON schema to a model."""

MARK_GROWTH = 3
"""The most bytes that normalizing adds to a composed letter and a mark, which puts another of its marks out."""

SAVED = {word.encode(): len(word) for word in WORDS}
"""Word -> the bytes that it and the space before it have beyond their one token."""
ENDS = bytes.maketrans(b",.:;?!)", b"\n\n\n\n\n\n\n")


def most_tokens(text: str) -> int:
    """Return the most tokens that a tokenizer makes of a text."""
    data = text.encode("utf-8", "surrogatepass")
    words = data.translate(ENDS).replace(b"\n", b" \n").split(b" ")[1:]
    # Four spaces are at most two tokens: the last of them may go to what follows.
    saved = sum(map(SAVED.get, words, repeat(0))) + 2 * data.count(b"    ")
    if len(data) > len(text):
        saved += sum(times * saved_by(character) for character, times in Counter(text).items())
    return len(data) - saved


@lru_cache(maxsize=4096)
def saved_by(character: str) -> int:
    """Return the bytes of a character beyond its tokens; below 0 for one that becomes longer when it is normalized.

    Per character, because normalizing a text takes time that is quadratic in its longest run of marks.
    """
    size = utf8_bytes(character)
    if character in CHARACTERS:
        return size - 1
    if "\u0300" <= character <= "\u036f":
        return -MARK_GROWTH
    return min(0, size - utf8_bytes(normalize("NFKC", character)))


def most_input(request: ModelRequest) -> int:
    """Return the most input tokens that a request can be counted with."""
    texts = (request.system, *(message.text for message in request.messages))
    most = REQUEST_FRAME + sum(most_tokens(text) + MESSAGE_FRAME for text in texts)
    if request.json_schema is not None:
        most += SCHEMA_FRAME + most_tokens(json.dumps(request.json_schema))
    return most
