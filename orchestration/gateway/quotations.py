"""Remove quotations of a request from a provider's text: the text is logged, message text never is.

Quotations are found by their letters and digits, so that escapes (JSON, also twice; Python; HTML), line breaks, case
and quotation marks do not hide them, and by short pieces, so that a part of a text is found like the whole.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterable
from functools import cached_property

PIECE = 12
"""Consecutive bytes of letters and digits that count as a quotation. A shorter text is searched for as a whole."""

PLACEHOLDER = "[text]"
QUOTED_CHARS = 16_000
"""Characters of a provider's text that are searched; the rest is dropped."""

TOKEN = re.compile(
    r"(?<!\\)\\++(?:u([0-9a-fA-F]{4})|x([0-9a-fA-F]{2})|[abfnrtv0])"
    r"|(&(?:#\d{1,7}|#x[0-9a-fA-F]{1,6}|\w{2,8});)|[^\W_]"
)
"""A letter or digit, plain or escaped, or the escape of a space. A run of backslashes is matched once, as a whole:
trying each of its ends would take minutes for a long run."""

MARKED = re.compile(rb"\x01+")
ESCAPE = re.compile(TOKEN.pattern.removesuffix(r"|[^\W_]"))
NO_LETTER = re.compile(r"[\W_]|[\U00010000-\U0010ffff]")
SEED, STRIDE = 7, 6
"""Every PIECE contains a seed that begins at a multiple of the stride, so a long text is looked through in strides."""
Span = tuple[int, int]


class Quoted(tuple[str, ...]):
    """Texts that a provider may quote. Their letters are read once, however often quotations are looked for."""

    @cached_property
    def letters(self) -> list[bytes]:
        return [letters_of(text) for text in self]


def without_quotations(text: str, quoted: Iterable[str], placeholder: str = PLACEHOLDER) -> str:
    """Return the beginning of a text, with `placeholder` for quotations of other texts."""
    text = text[:QUOTED_CHARS]
    letters, spans = _letters(text)
    pieces = {letters[at : at + PIECE] for at in range(len(letters) - PIECE + 1)}
    seeds = {piece[at : at + SEED] for piece in pieces for at in range(STRIDE)}
    found: set[bytes] = set()
    whole: set[bytes] = set()
    for others in quoted.letters if isinstance(quoted, Quoted) else map(letters_of, quoted):
        if len(others) < PIECE:
            whole.add(others)
        for at in range(0, len(others) - SEED + 1, STRIDE):
            if len(found) == len(pieces):
                break
            if others[at : at + SEED] in seeds:
                near = (others[start : start + PIECE] for start in range(max(0, at - STRIDE + 1), at + 1))
                found.update(piece for piece in near if piece in pieces)
    marked = bytearray(len(letters))
    for at in range(len(letters) - PIECE + 1):
        if letters[at : at + PIECE] in found:
            marked[at : at + PIECE] = b"\1" * PIECE
    for short in whole - {b""}:
        for match in re.finditer(re.escape(short), letters):
            if _is_apart(text, spans[match.start()][0], spans[match.end() - 1][1]):
                marked[match.start() : match.end()] = b"\1" * len(short)
    runs = [(spans[run.start()][0], spans[run.end() - 1][1]) for run in MARKED.finditer(marked)]
    return _replaced(text, runs, placeholder)


def letters_of(text: str) -> bytes:
    """Return the letters and digits of a text as `_letters` does, in one go: the text may be a long conversation."""
    if "\\" in text or "&" in text:
        text = ESCAPE.sub(_unescaped, text)
    return NO_LETTER.sub("", text).casefold().encode(errors="ignore")


def _unescaped(match: re.Match[str]) -> str:
    return _bytes_of(match).decode()


def _letters(text: str) -> tuple[bytes, list[Span]]:
    """Return the letters and digits of a text, and the span in it that each of their bytes comes from."""
    letters, spans = bytearray(), []
    for match in TOKEN.finditer(text):
        encoded = _bytes_of(match)
        letters += encoded
        spans += [match.span()] * len(encoded)
    return bytes(letters), spans


def _bytes_of(match: re.Match[str]) -> bytes:
    """Return the letter or digit that a token stands for, empty for anything else."""
    four, two, entity = match.groups()
    if four or two:
        letter = chr(int(four or two, 16))
    elif entity:
        letter = html.unescape(entity)
    else:
        letter = match[0]
    # JSON writes these as two escapes, so they are skipped in both texts.
    if not letter.isalnum() or letter > "\uffff":
        return b""
    return letter.casefold().encode(errors="ignore")


def _is_apart(text: str, start: int, end: int) -> bool:
    """Return whether a part of a text is not inside a longer word."""
    return not (text[start - 1 : start].isalnum() or text[end : end + 1].isalnum())


def _replaced(text: str, spans: Iterable[Span], placeholder: str) -> str:
    parts, at = [], 0
    for start, end in spans:
        parts += [text[at:start], placeholder]
        at = end
    return "".join([*parts, text[at:]])
