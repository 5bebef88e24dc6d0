"""The HTML of responses, without the whitespace of its templates."""

from __future__ import annotations

import re
from typing import Any

TAGS = re.compile(r"\s*(</?(?!(?:a|abbr|code|data|em|mark|span|strong|time)\b)\w[^<>]*)>\s*")
INSIDE_INLINE = re.compile(r"(<[a-z][^<>]*>) | (?=</)")
AS_WRITTEN = re.compile(
    r'(<(?:pre|textarea|div class="question-text")[\s>].*?</(?:pre|textarea|div)>)', re.DOTALL
)


def html_of(response: Any) -> str:
    """Return a page with single spaces, and none beside block tags; preformatted text stays as it is."""
    parts = AS_WRITTEN.split(response.content.decode())
    parts[::2] = [without_whitespace(part) for part in parts[::2]]
    return "".join(parts)


def without_whitespace(html: str) -> str:
    html = re.sub(r"(<[^<>]*) >", r"\1>", re.sub(r"\s+", " ", html))
    html = TAGS.sub(r"\1>", html)
    return INSIDE_INLINE.sub(r"\1", html)
