"""Store the HTML of answers."""

from __future__ import annotations

import uuid

from sessions.models import Message
from sessions.rendering.markdown import RENDERER, render_markdown

BATCH_SIZE = 100
"""Answers per statement."""


def messages_render() -> int:
    """Store the HTML of all answers that lack it in this renderer's version; return their number.

    Holds no lock while rendering, and may be interrupted: pages render the remaining answers.
    """
    stale = Message.objects.exclude(role=Message.Role.USER).exclude(html_version=RENDERER).order_by("pk")
    count, last = 0, uuid.UUID(int=0)
    while batch := list(stale.filter(pk__gt=last).only("pk", "text")[:BATCH_SIZE]):
        for message in batch:
            message.html, message.html_version = render_markdown(message.text), RENDERER
        Message.objects.bulk_update(batch, ["html", "html_version"])
        count, last = count + len(batch), batch[-1].pk
    return count
