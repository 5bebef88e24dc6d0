"""URLs of messages and turns: the session page that shows one, and its anchor."""

from __future__ import annotations

from django.urls import reverse

from sessions.models import ChatSession, Message, Turn
from sessions.selectors.pages import is_on_newest_page, is_replaced
from web.errors import NotFound


def address_of_message(message: Message) -> str:
    """Return a permanent URL: the session's page redirects to the current position of the turn."""
    anchor = f"turn-{message.turn_id}" if message.role == Message.Role.USER else f"message-{message.pk}"
    return f"{reverse('session', args=[message.session_id])}?turn={message.turn_id}#{anchor}"


def address_of_turn(session: ChatSession, turn: Turn) -> str:
    """Return the URL of the page with a turn; the browser keeps the anchor. Raises NotFound for another session's.

    A turn that only summarized has no position of its own: the session's page shows its result.
    """
    if turn.session_id != session.pk:
        raise NotFound()
    address = reverse("session", args=[session.pk])
    if turn.index is None:
        return address
    if is_replaced(turn):
        return f"{address}?version={turn.pk}"
    if is_on_newest_page(turn):
        return address
    return f"{address}?before={turn.index + 1}"
