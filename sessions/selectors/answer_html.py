"""The HTML of answers: stored when their turn ends, and rendered on demand if another renderer version made it."""

from __future__ import annotations

from functools import lru_cache

from sessions.models import Message
from sessions.rendering.markdown import RENDERER, render_markdown

CACHE_SIZE = 32
"""About a page of answers without stored HTML: those of running turns and of earlier versions."""


@lru_cache(maxsize=CACHE_SIZE)
def answer_html(text: str) -> str:
    """Render the HTML of an answer that is not a message yet."""
    return render_markdown(text)


def message_html(message: Message) -> str:
    """Return the HTML of an answer message."""
    return message.html if message.html_version == RENDERER else answer_html(message.text)
