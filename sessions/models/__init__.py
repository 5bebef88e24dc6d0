"""Models of conversations: agents, rooms, sessions, turns, calls, messages, files and summaries."""

from sessions.models.agent import Agent
from sessions.models.call import Call
from sessions.models.chat import ChatSession, Message
from sessions.models.file import File, MessageFile
from sessions.models.room import Room, RoomAgent
from sessions.models.summary import Summary
from sessions.models.turn import Turn

__all__ = [
    "Agent",
    "Call",
    "ChatSession",
    "File",
    "Message",
    "MessageFile",
    "Room",
    "RoomAgent",
    "Summary",
    "Turn",
]
