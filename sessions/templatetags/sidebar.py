"""The sidebar of every page."""

from __future__ import annotations

from typing import Any

from django import template

from accounts.models import User
from sessions.models import ChatSession, Room
from sessions.pages.sidebar import sidebar_context

register = template.Library()


@register.inclusion_tag("partials/sidebar.html", takes_context=True)
def sidebar(context: Any) -> dict[str, Any]:
    """Show rooms and sessions of the signed-in user; nothing to others."""
    request = context.get("request")
    user = getattr(request, "user", None)
    if not isinstance(user, User):
        return {"shown": False}
    session, room = context.get("session"), context.get("room")
    return {
        **sidebar_context(
            user,
            session if isinstance(session, ChatSession) else None,
            room if isinstance(room, Room) else None,
        ),
        "shown": True,
        "request": request,
        "csrf_token": context.get("csrf_token"),
        "perms": context.get("perms"),
        "searching": context.get("searching"),
    }
