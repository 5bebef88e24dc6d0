"""Rooms and sessions in the administration: importing the pages registers them.

Staff see structure and cost, not what people wrote: prompts, goals, titles and messages are on no page, in no
heading, and no search or filter reaches them. Where PANTHEON_STAFF_READ_MESSAGES is on, `reading` has pages for them.
"""

from sessions.admin import councils, turns

__all__ = ["councils", "turns"]
