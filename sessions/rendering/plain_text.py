"""The text of rendered Markdown, for the pieces of it that lists show."""

from __future__ import annotations

import html
import re

from sessions.rendering.markdown import render_markdown

_LABELS = re.compile(r'<div class="code-language">[^<]*</div>|<annotation[ >].*?</annotation>', re.DOTALL)
"""What is in the HTML and not in the text: names of languages, and formulas once more as TeX."""
_INLINE = re.compile(r"</?(?:a|code|em|s|span|strong)(?: [^>]*)?>")
_TAG = re.compile(r"<[^>]*>")


def plain_text(markdown: str) -> str:
    """Return what a reader sees of a short piece of Markdown, on one line. It is text: escape it in HTML."""
    rendered = _INLINE.sub("", _LABELS.sub("", render_markdown(markdown)))
    return " ".join(html.unescape(_TAG.sub(" ", rendered)).split())
