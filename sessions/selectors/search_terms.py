"""What a query asks for, and where a text has it. Every step is linear in the text, however often a term is in it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

MAX_TERMS = 10
SEARCHED_CHARS = 100_000
"""How much of a message is searched; PostgreSQL stores the words of as much."""

SNIPPET_CHARS = 200
BEFORE_CHARS = 60
"""How much of a snippet stands before what was found."""
HITS_LOOKED_AT = 50
"""Places within words after which a whole word is no longer looked for."""

TERM = re.compile(r'(-?)(?:"([^"]*)"?|([^\s"]+))')
BETWEEN = "\x00"
"""Between terms that go to SQLite as one text; in none of them."""


@dataclass(frozen=True, slots=True)
class Terms:
    """What a query asks for: words and quoted phrases, and those that must not be there."""

    wanted: tuple[str, ...]
    unwanted: tuple[str, ...] = ()
    more: bool = False
    """There were more than MAX_TERMS, which are not looked for."""


def read_terms(query: str) -> Terms:
    """Return the terms of a query, each once. What has neither letter nor digit is none."""
    found: dict[tuple[bool, str], str] = {}
    for minus, phrase, word in TERM.findall(query):
        term = phrase or word
        if any(character.isalnum() for character in term):
            found.setdefault((bool(minus), fold(term)), term)
    kept = list(found.items())[:MAX_TERMS]
    wanted, unwanted = (
        tuple(term for (is_unwanted, _), term in kept if is_unwanted is side) for side in (False, True)
    )
    return Terms(wanted, unwanted, len(found) > MAX_TERMS)


def fold(text: str) -> str:
    """Return a text in small letters, each at its place: of all letters only `İ` would become two."""
    return text.replace("\u0130", "I").lower()


def text_matches(text: str | None, wanted: str, unwanted: str) -> bool:
    """Tell whether a text has all wanted terms and no unwanted one, as SQLite asks: folded, with BETWEEN between."""
    folded = fold((text or "")[:SEARCHED_CHARS])
    return all(term in folded for term in _split(wanted)) and not any(
        term in folded for term in _split(unwanted)
    )


@lru_cache(maxsize=32)
def _split(terms: str) -> tuple[str, ...]:
    return tuple(terms.split(BETWEEN)) if terms else ()


def snippet(text: str, terms: Terms) -> str:
    """Return a piece of a text around the first place that has a term, on one line."""
    folded = fold(text[:SEARCHED_CHARS])
    hits = [hit for term in terms.wanted if (hit := _first_hit(folded, fold(term))) >= 0]
    first = max(0, min(hits, default=0) - BEFORE_CHARS)
    if first:  # from a whole word on, where one begins soon
        first = text.find(" ", first, first + BEFORE_CHARS // 2) + 1 or first
    piece = " ".join(text[first : first + SNIPPET_CHARS].split())
    return ("…" if first else "") + piece + ("…" if first + SNIPPET_CHARS < len(text) else "")


def _first_hit(folded: str, term: str) -> int:
    """Return the first place of a term, as a whole word where one is soon found; of a phrase that of its first word."""
    word = term if term in folded else next(filter(None, re.split(r"[\W_]+", term)))
    first = -1
    for number, hit in enumerate(_hits(folded, word)):
        if first < 0:
            first = hit
        before, after = folded[hit - 1 : hit], folded[hit + len(word) : hit + len(word) + 1]
        if not _in_a_word(before) and not _in_a_word(after):
            return hit
        if number == HITS_LOOKED_AT:
            break
    return first


def _hits(text: str, word: str) -> Iterator[int]:
    hit = text.find(word)
    while hit >= 0:
        yield hit
        hit = text.find(word, hit + len(word))


def _in_a_word(character: str) -> bool:
    return character.isalnum() or character == "_"


def places(piece: str, terms: Terms) -> list[tuple[int, int]]:
    """Return where a snippet or a title has the wanted terms, in order: whole words, or else parts of words."""
    found: list[tuple[int, int]] = []
    for term in terms.wanted:
        words = r"[\W_]+".join(re.escape(word) for word in re.split(r"[\W_]+", term) if word)
        hits: list[tuple[int, int]] = []
        for pattern in (rf"(?<!\w){words}(?!\w)", words):
            hits = hits or [match.span() for match in re.finditer(pattern, piece, re.IGNORECASE)]
        found += hits
    return sorted(found)
