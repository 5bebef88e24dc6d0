"""Emphasis beside Chinese, Japanese and Korean text.

CommonMark decides by spaces and punctuation around a run of `*` whether it opens or closes emphasis. These languages
write no spaces, so that `**注意！**请看` would stay as written. This follows the amendment that other parsers have:
https://github.com/tats-u/markdown-cjk-friendly/blob/main/specification.md. Without such characters the result is
CommonMark's.
"""

from __future__ import annotations

from functools import lru_cache
from unicodedata import category, east_asian_width

from markdown_it.common.utils import isMdAsciiPunct, isPunctChar, isWhiteSpace
from markdown_it.rules_inline.state_inline import Scanned, StateInline

_EMOJI_FREE = range(0x2E80, 0xA4D0)
"""Wide symbols outside these code points are emoji, which stand beside words of any language."""
_JAMO = (range(0x1100, 0x1200), range(0xD7B0, 0xD800))
"""Parts of Hangul syllables, which have no width of their own."""


class EastAsianInline(StateInline):
    """The state of the inline parser, with the amended rule for `*`, `_` and `~`."""

    def scanDelims(self, start: int, canSplitWord: bool) -> Scanned:
        scanned = super().scanDelims(start, canSplitWord)
        end = start + scanned.length
        before = self.src[start - 1] if start > 0 else " "
        after = self.src[end] if end < self.posMax else " "
        if "\ufe00" <= before <= "\ufe0e" and start > 1:  # selects a variant of the character before it
            before = self.src[start - 2]
        if before.isascii() and after.isascii():
            return scanned
        left = not _is_space(after) and (
            not _is_foreign_sign(after) or _is_space(before) or _is_sign(before) or is_east_asian(before)
        )
        right = not _is_space(before) and (
            not _is_foreign_sign(before) or _is_space(after) or _is_sign(after) or is_east_asian(after)
        )
        return Scanned(
            left and (canSplitWord or not right or _is_sign(before)),
            right and (canSplitWord or not left or _is_sign(after)),
            scanned.length,
        )


@lru_cache(maxsize=4096)
def is_east_asian(character: str) -> bool:
    """Return whether a character is of Chinese, Japanese or Korean, their punctuation included."""
    point = ord(character)
    if any(point in jamo for jamo in _JAMO):
        return True
    if east_asian_width(character) not in ("W", "F", "H"):
        return False
    return point in _EMOJI_FREE or category(character) not in ("So", "Sk")


def _is_space(character: str) -> bool:
    return isWhiteSpace(ord(character))


def _is_sign(character: str) -> bool:
    return isMdAsciiPunct(ord(character)) or isPunctChar(character)


def _is_foreign_sign(character: str) -> bool:
    """Return whether this is punctuation of other languages, which the rule of CommonMark is meant for."""
    return _is_sign(character) and not is_east_asian(character)
