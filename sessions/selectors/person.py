"""All data stored about a person, as JSON that is written while it is read."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from django.core.serializers.json import DjangoJSONEncoder
from django.db.models import Model, Prefetch, Q

from accounts.models import ApiToken, User
from billing.fields import usd_text
from billing.models import UsageEvent
from sessions.files.storage import content_open
from sessions.models import Agent, ChatSession, File, Room
from sessions.selectors.export import session_document
from sessions.selectors.portions import created_after, in_pieces

CHUNK = 100
BASE64_BYTES = 48 * 1024
"""A multiple of 3, so that the pieces of a content in base64 join."""

ENCODER = DjangoJSONEncoder(ensure_ascii=False)


def person_json(user: User) -> Iterator[str]:
    """Return all data stored about a person as JSON in pieces."""
    return in_pieces(person_texts(user))


def person_texts(user: User) -> Iterator[str]:
    """Yield the pieces of one JSON object: the person, and lists of what they own, deleted rows included.

    Without secrets: a token is listed with its name and its use. The ledger's rows are those with the person's id.
    """
    members = Prefetch("agents", queryset=Agent.objects.alive().only("key"))
    lists: dict[str, Iterable[dict[str, Any]]] = {
        "tokens": rows(ApiToken.objects.filter(user=user), token_row),
        "agents": rows(Agent.objects.filter(owner=user), fields_of_row),
        "rooms": rows(Room.objects.filter(owner=user).prefetch_related(members), room_row),
        "sessions": rows(
            ChatSession.objects.filter(owner=user).select_related("room", "agent"), session_document
        ),
        "usage": rows(UsageEvent.objects.filter(user_id=user.pk), event_row),
    }
    person = {
        name: getattr(user, name)
        for name in ("id", "email", "name", "is_staff", "is_active", "created_at", "last_login")
    }
    yield '{"person": '
    yield from ENCODER.iterencode(person | {"team": user.team and user.team.name})
    for name, items in lists.items():
        yield f',\n"{name}": ['
        for number, item in enumerate(items):
            yield ",\n" if number else "\n"
            yield from ENCODER.iterencode(item)  # a session comes in pieces: it may not fit into memory
        yield "]"
    yield ',\n"files": ['
    for number, file in enumerate(rows(File.objects.filter(owner=user), lambda file: file)):
        yield ",\n" if number else "\n"
        yield from file_texts(file)
    yield "]}\n"


def file_texts(file: File) -> Iterator[str]:
    """Yield the pieces of a file's JSON, with its content in base64; null if the storage has lost it."""
    fields = {
        field.attname: field.value_from_object(file)
        for field in file._meta.concrete_fields
        if field.name != "search_text"
    }
    yield f'{ENCODER.encode(fields)[:-1]}, "content_base64": '
    try:
        content = content_open(file.sha256)
    except FileNotFoundError:
        yield "null}"
        return
    yield '"'
    with content:
        while piece := content.read(BASE64_BYTES):
            yield b64encode(piece).decode()
    yield '"}'


def rows(queryset: Any, row: Callable[[Any], Any]) -> Iterator[Any]:
    """Yield rows in order of creation. No cursor stays open: the connection may be returned meanwhile."""
    ordered, later = queryset.order_by("created_at", "pk"), Q()
    while chunk := list(ordered.filter(later)[:CHUNK]):
        yield from map(row, chunk)
        later = created_after(chunk[-1].created_at, chunk[-1].pk)


def fields_of_row(row: Model) -> dict[str, Any]:
    return {field.attname: field.value_from_object(row) for field in row._meta.concrete_fields}


def token_row(token: ApiToken) -> dict[str, Any]:
    return {
        name: getattr(token, name) for name in ("id", "name", "hint", "scopes", "created_at", "last_used_at")
    }


def room_row(room: Room) -> dict[str, Any]:
    return fields_of_row(room) | {"agents": [agent.key for agent in room.agents.all()]}


def event_row(event: UsageEvent) -> dict[str, Any]:
    costs = {name: usd_text(getattr(event, f"{name}_pico")) for name in ("cost", "provider_cost")}
    fields = {name: value for name, value in fields_of_row(event).items() if not name.endswith("_pico")}
    return fields | {f"{name}_usd": text for name, text in costs.items()}
