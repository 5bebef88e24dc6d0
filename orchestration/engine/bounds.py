"""Upper bounds of token counts, independent of past traffic: the amounts that budgets hold.

A byte tokenizer, or one with byte fallback, makes at most as many tokens of a text as it has UTF-8 bytes. The bound
is lower only for text that is one token in every tokenizer measured (docs/metering.md): common English words, common
characters beyond ASCII, and indentation. Any text can cost up to its bytes; typical text costs less.
"""

from __future__ import annotations

import json
from collections import Counter
from functools import lru_cache
from hashlib import blake2b
from itertools import repeat
from unicodedata import normalize

from orchestration.engine.image_tokens import image_tokens
from orchestration.engine.specs import ChatMessage, ModelRequest
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

LEAST_KNOWN_CHARS = 64
MOST_KNOWN = 50_000
_known: dict[bytes, int] = {}

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


def known_most_tokens(text: str) -> int:
    """Return `most_tokens`, counted once per text: a turn's prompts repeat the conversation for every agent and round.

    The bound of joined texts is the sum of theirs, since their separator has no spaces. Texts are known by their
    digest, so that none is kept in memory.
    """
    if len(text) < LEAST_KNOWN_CHARS:
        return most_tokens(text)
    key = blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()
    known = _known.get(key)
    if known is None:
        if len(_known) >= MOST_KNOWN:
            _known.clear()
        known = _known[key] = most_tokens(text)
    return known


def most_input(request: ModelRequest) -> int:
    """Return the maximum number of input tokens of a request."""
    most = REQUEST_FRAME + known_most_tokens(request.system) + MESSAGE_FRAME
    for message in request.messages:
        parts = message.parts or (message.text,)
        separators = (len(parts) - 1) * len(ChatMessage.SEPARATOR)
        most += sum(map(known_most_tokens, parts)) + separators + MESSAGE_FRAME
        most += sum(image_tokens(image, request.model) + MESSAGE_FRAME for _, image in message.images)
    if request.json_schema is not None:
        most += SCHEMA_FRAME + most_tokens(json.dumps(request.json_schema))
    return most
