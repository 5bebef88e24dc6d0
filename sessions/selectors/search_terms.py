"""Parse search queries and find their terms in texts. Every step is linear in the text, however often a term occurs."""

from __future__ import annotations

import re
from bisect import bisect_right
from dataclasses import dataclass

from sessions.rendering.plain_text import plain_text
from sessions.search_text import SEARCHED_CHARS, compose, fold, fold_composed

MAX_TERMS = 10

SNIPPET_CHARS = 200
BEFORE_CHARS = 60
"""Characters of a snippet before the first match."""
SOURCE_BEFORE_CHARS, SOURCE_CHARS = 200, 600
"""Characters of Markdown that a snippet is rendered from, and those of them before the first match."""
BLOCK_CHARS, OVERLAP_CHARS = 4_000, 400
"""Characters in which matches are sought at once, and those that blocks share, as matches may be at the border."""

TERM = re.compile(r'(-?)(?:["“”„]([^"“”„]*)["“”„]?|([^\s"“”„]+))')


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
        folded = fold(term)
        if any(character.isalnum() for character in folded):
            terms.setdefault((bool(minus), folded), term)
    used = list(terms.items())[:MAX_TERMS]
    wanted, unwanted = (
        tuple(term for (is_unwanted, _), term in used if is_unwanted is side) for side in (False, True)
    )
    return Terms(wanted, unwanted, len(terms) > MAX_TERMS)


def snippet(text: str, terms: Terms, *, is_markdown: bool = False) -> str:
    """Return a piece of a text around its first match, on one line; of Markdown, a piece of the rendered text."""
    text = compose(text[:SEARCHED_CHARS])
    found = _first_hit(text, terms)
    if not is_markdown:
        return _piece(text, found or 0)
    begin = _begin_of_source(text, found or 0)
    source = text[begin : begin + SOURCE_CHARS]
    is_code = text.count("\n```", 0, begin) % 2
    shown = source if is_code else plain_text(source)
    hit = _first_hit(shown, terms)
    if hit is None and found is not None:  # only in what is not shown, such as an address
        return _piece(text, found)
    return _piece(shown, hit or 0, is_begin=begin == 0, is_end=begin + SOURCE_CHARS >= len(text))


def _piece(text: str, hit: int, *, is_begin: bool = True, is_end: bool = True) -> str:
    first = max(0, hit - BEFORE_CHARS)
    if first:  # start at a whole word if one begins soon
        first = text.find(" ", first, first + BEFORE_CHARS // 2) + 1 or first
    until = first + SNIPPET_CHARS
    piece = " ".join(text[first:until].split())
    return ("…" if first or not is_begin else "") + piece + ("…" if until < len(text) or not is_end else "")


def _begin_of_source(text: str, hit: int) -> int:
    """Return the begin of the line with a match, or of a word if it is far away: Markdown cut elsewhere reads badly."""
    earliest = max(0, hit - SOURCE_BEFORE_CHARS)
    if not earliest:
        return 0
    line = text.find("\n", earliest, hit) + 1
    return line or text.find(" ", earliest, hit) + 1 or earliest


def _first_hit(text: str, terms: Terms) -> int | None:
    """Return the first match of a term, as a whole word if one is near; None if the terms are far from each other."""
    wanted = [fold(term) for term in terms.wanted]
    for start in range(0, len(text), BLOCK_CHARS):
        block = text[start : start + BLOCK_CHARS + OVERLAP_CHARS]
        folded = f" {fold(block)} "
        hits = [hit for term in wanted if (hit := _hit_of(folded, term)) >= 0]
        if hits:
            return start + _place_in(block, min(hits))
    return None


def _hit_of(padded: str, term: str) -> int:
    """Return the first match in a folded text with a space before and after, counted without the first space."""
    whole = padded.find(f" {term} ")
    return whole if whole >= 0 else padded.find(term) - 1 if term in padded else -1


def _place_in(block: str, folded_place: int) -> int:
    """Return the character of a text that a character of the folded text came from."""
    return bisect_right(range(len(block)), folded_place, key=lambda end: len(fold(block[:end]))) - 1


def match_spans(piece: str, terms: Terms) -> list[tuple[int, int]]:
    """Return the matches of wanted terms in a snippet or a title, in order: whole words, or else parts of words."""
    letters = [fold_composed(character) for character in piece]
    places: list[int] = []
    folded = " "
    for place, letter in enumerate(letters):
        if letter.isspace() and folded.endswith(" "):
            continue
        folded += letter
        places += [place] * len(letter)
    folded += " "
    spans: list[tuple[int, int]] = []
    for term in map(fold, terms.wanted):
        hits = _hits(folded, f" {term} ", 1) or _hits(folded, term, 0)
        for hit in hits:
            end = places[hit + len(term) - 2] + 1
            while end < len(letters) and not letters[end]:  # accents after the last letter
                end += 1
            spans.append((places[hit - 1], end))
    return sorted(spans)


def _hits(text: str, term: str, shift: int) -> list[int]:
    hits: list[int] = []
    hit = text.find(term)
    while hit >= 0:
        hits.append(hit + shift)
        hit = text.find(term, hit + len(term) - shift)
    return hits
