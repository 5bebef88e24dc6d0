"""Rooms and sessions in the administration: importing this package registers the pages.

Staff see structure and cost, not people's texts: prompts, goals, titles and messages are on no page and in no
heading, and no search or filter reaches them. If PANTHEON_STAFF_READ_MESSAGES is on, `reading` has pages for them.
"""

from sessions.admin import councils, messages, providers, turns

__all__ = ["councils", "messages", "providers", "turns"]
