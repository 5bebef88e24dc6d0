"""Fold texts for search, so that both databases find the same: without case, accents and punctuation."""

from __future__ import annotations

import re
import unicodedata

SEARCHED_CHARS = 100_000
"""Searched characters of a text, and maximum length of the folded text."""

_KEPT_SIGNS = frozenset("+#%@&")
"""Signs that belong to words, as in C++, C#, 5% and @handle; so do currency signs."""

_LETTERS = {
    "ø": "o",
    "ł": "l",
    "đ": "d",
    "ħ": "h",
    "ı": "i",
    "æ": "ae",
    "œ": "oe",
    "\u0640": "",  # tatweel, which only stretches a word
}
"""Letters that Unicode does not decompose."""

_ACCENTS = re.compile(
    "[\u0300-\u036f\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7\u064b-\u065f\u0670"
    "\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe20-\ufe2f]"
)
"""Accents of Latin, Greek, Cyrillic, Hebrew and Arabic. Marks of other scripts are vowels or change the letter."""

_DECOMPOSED = re.compile(
    "[\u3041-\u30ff\uff66-\uff9d][\u3099\u309a\uff9e\uff9f]|[\u1100-\u1112][\u1161-\u1175][\u11a8-\u11c2]?"
)
"""Kana with a voicing mark and Korean syllables written as several characters."""


class _Folding(dict[int, str]):
    """A table for `str.translate` that learns each character once."""

    MOST = 20_000
    """Maximum size, so that no text can fill the memory."""

    def __missing__(self, code: int) -> str:
        if len(self) >= self.MOST:
            self.clear()
        folded = self[code] = _fold_character(chr(code))
        return folded


def _fold_character(character: str) -> str:
    decomposed = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", character).casefold())
    letters = (_LETTERS.get(letter, letter) for letter in _ACCENTS.sub("", decomposed))
    return unicodedata.normalize("NFC", "".join(map(_space_for_sign, letters)))


def _space_for_sign(letter: str) -> str:
    category = unicodedata.category(letter) if len(letter) == 1 else "L"
    if category == "Cf":  # soft hyphens, joiners and other invisible characters
        return ""
    is_kept = category[0] in "LMN" or category in ("Sc", "Cn", "Co") or letter in _KEPT_SIGNS
    return letter if is_kept else " "


_TABLE = _Folding()


def compose(text: str) -> str:
    """Compose kana and Korean syllables that are written as several characters; displayed text looks the same.

    Normalizing whole texts takes quadratic time for long runs of accents.
    """
    return _DECOMPOSED.sub(lambda match: unicodedata.normalize("NFKC", match[0]), text)


def fold_composed(text: str) -> str:
    """Fold a composed text character by character. Spaces stay as many as they are."""
    return text.translate(_TABLE)


def fold(text: str) -> str:
    """Return the searched part of a text without case, accents and punctuation, its words separated by single spaces.

    A change of the result needs a migration that folds all stored texts again.
    """
    return " ".join(fold_composed(compose(text[:SEARCHED_CHARS])).split())[:SEARCHED_CHARS]
