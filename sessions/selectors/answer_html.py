"""The HTML of answers: stored with them when their turn ends, and made when asked for if it is not of this renderer."""

from __future__ import annotations

from functools import lru_cache

from sessions.markdown import RENDERER, render_markdown
from sessions.models import Message

KEPT = 32
"""About a page of answers, of those that are not stored: of running turns, and of versions before."""


@lru_cache(maxsize=KEPT)
def answer_html(text: str) -> str:
    """Return the HTML of an answer that is no message yet."""
    return render_markdown(text)


def message_html(message: Message) -> str:
    """Return the HTML of an answer."""
    return message.html if message.html_version == RENDERER else answer_html(message.text)
