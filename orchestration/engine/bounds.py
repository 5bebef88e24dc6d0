"""Upper bounds of token counts, independent of past traffic: the amounts that budgets hold.

A byte tokenizer, or one with byte fallback, makes at most as many tokens of a text as it has UTF-8 bytes. The bound
is lower only for text that is one token in every tokenizer measured (docs/metering.md): common English words, common
characters beyond ASCII, and indentation. Any text can cost up to its bytes; typical text costs less.
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
"""Maximum tokens that a chat template adds per message."""
REQUEST_FRAME = 256
"""Maximum tokens that a chat template adds per request: its date, its own system prompt."""
SCHEMA_FRAME = 256
"""Maximum tokens that a provider adds to explain a JSON schema to a model."""

MARK_GROWTH = 3
"""Maximum bytes that normalization adds to a composed letter and a mark that displaces another of its marks."""

SAVED = {word.encode(): len(word) for word in WORDS}
"""Word -> bytes saved: those of the word and the space before it, minus one token."""
ENDS = bytes.maketrans(b",.:;?!)", b"\n\n\n\n\n\n\n")


def most_tokens(text: str) -> int:
    """Return the maximum number of tokens of a text in any tokenizer."""
    data = text.encode("utf-8", "surrogatepass")
    words = data.translate(ENDS).replace(b"\n", b" \n").split(b" ")[1:]
    # Four spaces are at most two tokens: the last space may join the next token.
    saved = sum(map(SAVED.get, words, repeat(0))) + 2 * data.count(b"    ")
    if len(data) > len(text):
        saved += sum(times * saved_by(character) for character, times in Counter(text).items())
    return len(data) - saved


@lru_cache(maxsize=4096)
def saved_by(character: str) -> int:
    """Return the bytes of a character minus its tokens; negative if normalization makes it longer.

    Per character, because normalizing a text takes quadratic time in its longest run of marks.
    """
    size = utf8_bytes(character)
    if character in CHARACTERS:
        return size - 1
    if "\u0300" <= character <= "\u036f":
        return -MARK_GROWTH
    return min(0, size - utf8_bytes(normalize("NFKC", character)))


def most_input(request: ModelRequest) -> int:
    """Return the maximum number of input tokens of a request."""
    texts = (request.system, *(message.text for message in request.messages))
    most = REQUEST_FRAME + sum(most_tokens(text) + MESSAGE_FRAME for text in texts)
    if request.json_schema is not None:
        most += SCHEMA_FRAME + most_tokens(json.dumps(request.json_schema))
    return most
