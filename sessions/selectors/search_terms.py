"""Parse search queries and find their terms in texts. Every step is linear in the text, however often a term occurs."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

MAX_TERMS = 10
SEARCHED_CHARS = 100_000
"""Searched characters of a message; PostgreSQL stores the words of as many."""

SNIPPET_CHARS = 200
BEFORE_CHARS = 60
"""Characters of a snippet before the first match."""
MAX_HITS = 50
"""Matches within words after which the search for a whole word stops."""

TERM = re.compile(r'(-?)(?:"([^"]*)"?|([^\s"]+))')
BETWEEN = "\x00"
"""Separates terms passed to SQLite as one text; it occurs in none of them."""


@dataclass(frozen=True, slots=True)
class Terms:
    """A parsed query: wanted words and quoted phrases, and unwanted ones."""

    wanted: tuple[str, ...]
    unwanted: tuple[str, ...] = ()
    more: bool = False
    """The query had more than MAX_TERMS; the rest is ignored."""


def parse_terms(query: str) -> Terms:
    """Return the terms of a query, each once. A term needs a letter or a digit."""
    terms: dict[tuple[bool, str], str] = {}
    for minus, phrase, word in TERM.findall(query):
        term = phrase or word
        if any(character.isalnum() for character in term):
            terms.setdefault((bool(minus), fold(term)), term)
    used = list(terms.items())[:MAX_TERMS]
    wanted, unwanted = (
        tuple(term for (is_unwanted, _), term in used if is_unwanted is side) for side in (False, True)
    )
    return Terms(wanted, unwanted, len(terms) > MAX_TERMS)


def fold(text: str) -> str:
    """Return a text in lower case with the same length: `İ` is the only letter that would become two."""
    return text.replace("\u0130", "I").lower()


def text_matches(text: str | None, wanted: str, unwanted: str) -> bool:
    """Return whether a text has all wanted terms and no unwanted one, each folded and joined by BETWEEN for SQLite."""
    folded = fold((text or "")[:SEARCHED_CHARS])
    return all(term in folded for term in _split(wanted)) and not any(
        term in folded for term in _split(unwanted)
    )


@lru_cache(maxsize=32)
def _split(terms: str) -> tuple[str, ...]:
    return tuple(terms.split(BETWEEN)) if terms else ()


def snippet(text: str, terms: Terms) -> str:
    """Return a piece of a text around its first match, on one line."""
    folded = fold(text[:SEARCHED_CHARS])
    hits = [hit for term in terms.wanted if (hit := _first_hit(folded, fold(term))) >= 0]
    first = max(0, min(hits, default=0) - BEFORE_CHARS)
    if first:  # start at a whole word if one begins soon
        first = text.find(" ", first, first + BEFORE_CHARS // 2) + 1 or first
    piece = " ".join(text[first : first + SNIPPET_CHARS].split())
    return ("…" if first else "") + piece + ("…" if first + SNIPPET_CHARS < len(text) else "")


def _first_hit(folded: str, term: str) -> int:
    """Return the first match of a term (of a phrase, that of its first word), as a whole word if one is found soon."""
    word = term if term in folded else next(filter(None, re.split(r"[\W_]+", term)))
    first = -1
    for number, hit in enumerate(_hits(folded, word)):
        if first < 0:
            first = hit
        before, after = folded[hit - 1 : hit], folded[hit + len(word) : hit + len(word) + 1]
        if not _in_a_word(before) and not _in_a_word(after):
            return hit
        if number == MAX_HITS:
            break
    return first


def _hits(text: str, word: str) -> Iterator[int]:
    hit = text.find(word)
    while hit >= 0:
        yield hit
        hit = text.find(word, hit + len(word))


def _in_a_word(character: str) -> bool:
    return character.isalnum() or character == "_"


def match_spans(piece: str, terms: Terms) -> list[tuple[int, int]]:
    """Return the matches of wanted terms in a snippet or a title, in order: whole words, or else parts of words."""
    spans: list[tuple[int, int]] = []
    for term in terms.wanted:
        words = r"[\W_]+".join(re.escape(word) for word in re.split(r"[\W_]+", term) if word)
        hits: list[tuple[int, int]] = []
        for pattern in (rf"(?<!\w){words}(?!\w)", words):
            hits = hits or [match.span() for match in re.finditer(pattern, piece, re.IGNORECASE)]
        spans += hits
    return sorted(spans)
