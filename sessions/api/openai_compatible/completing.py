"""Accept a completion once, with the files in its messages: they are converted while no thread waits."""

from __future__ import annotations

import asyncio
import dataclasses
from dataclasses import dataclass, field
from functools import cached_property, partial

from rest_framework.request import Request

from accounts.access import signed_in
from accounts.models import User
from sessions.access import access_agent_by_key, access_room_by_name
from sessions.api.open_streams import check_streams
from sessions.api.openai_compatible.parsing import SentFiles, has_sent_files
from sessions.api.openai_compatible.requests import CompletionRequest, SentPart, read_request
from sessions.api.turn_requests import idempotency_key, request_digest, token_of
from sessions.files.queue import conversions
from sessions.live.database import read_in_request
from sessions.models import Agent, File, Room, Turn
from sessions.services.accept_once import AcceptedTurn, accept_once, turn_of_key
from sessions.services.completion_accept import completion_accept
from sessions.services.completion_files import file_of_conversion, file_sent_before, files_drop
from sessions.services.turn_request import ClientContext, TurnRequest
from web.errors import NotFound, PantheonError, RateLimited

ROOM, AGENT = "room:", "agent:"


@dataclass(slots=True)
class StoredFiles:
    """The files of a request."""

    files: dict[SentPart, File] = field(default_factory=dict)
    new: list[File] = field(default_factory=list)
    """Those that were stored for it."""


class Completing:
    """One request."""

    def __init__(self, request: Request, sent_files: SentFiles) -> None:
        self._sent_files = sent_files
        self.user, self.key = signed_in(request), idempotency_key(request)
        self.digest, self.token = request_digest(request), token_of(request)
        self._request = request

    def asked(self) -> CompletionRequest:
        """Return the parsed request. Raises what is wrong with it."""
        return self._asked

    @cached_property
    def _asked(self) -> CompletionRequest:
        return read_request(self._request.data)

    def brings_files(self) -> bool:
        """Return whether files must be stored first; not for a repetition of an accepted request."""
        if not has_sent_files(self._request.data):
            return False
        # Before the body is checked, as for any other repetition.
        if turn_of_key(self.user, self.key, self.digest) is not None or not self.asked().sent:
            return False
        place_of(self.user, self.asked().model)
        return True

    async def files_stored(self) -> StoredFiles:
        """Convert and store the files, one after the other. Raises what is wrong with one of them."""
        stored = StoredFiles()
        known: dict[tuple[str, str], File] = {}
        try:
            for part in self.asked().sent:
                same = (part.name, part.file.sha256)
                if same not in known:
                    known[same] = await self._stored(part, stored)
                stored.files[part] = known[same]
        except BaseException:
            await read_in_request(files_drop, stored.new)
            raise
        return stored

    async def _stored(self, part: SentPart, stored: StoredFiles) -> File:
        find = partial(file_sent_before, owner=self.user, name=part.name, sha256=part.file.sha256)
        if (found := await read_in_request(find)) is not None:
            return found
        content = part.file.content
        try:
            converted = await conversions.run_aside(content, self.user.pk)
        except (asyncio.CancelledError, RateLimited):
            self._sent_files.leave(part.file)
            raise
        store = partial(
            file_of_conversion,
            owner=self.user,
            name=part.name,
            content=content,
            converted=converted,
        )
        file, is_new = await read_in_request(store)
        if is_new:
            stored.new.append(file)
        return file

    def accept(self, stored: StoredFiles | None = None) -> AcceptedTurn:
        """Accept the turn, or return that of an earlier request with the same key."""
        stored = stored or StoredFiles()

        def make() -> Turn:
            asked = self.asked()
            if asked.stream:
                check_streams(self.user.pk)
            wanted = TurnRequest(
                message=asked.message,
                client=with_files(asked.client, stored.files),
                files=tuple({file.pk: file for file in stored.files.values()}.values()),
                idempotency_key=self.key,
                digest=self.digest,
            )
            return completion_accept(
                user=self.user,
                place=place_of(self.user, asked.model),
                request=wanted,
                token=self.token,
                new_files=[file.pk for file in stored.new],
            )

        try:
            accepted = accept_once(user=self.user, key=self.key, digest=self.digest, make=make)
        except BaseException:
            files_drop(stored.new)
            raise
        if accepted.replayed:
            files_drop(stored.new)
            if self.asked().stream:
                check_streams(self.user.pk)
        return accepted


def with_files(client: ClientContext, files: dict[SentPart, File]) -> ClientContext:
    """Return the client's conversation with the ids of its files."""
    if not files:
        return client
    lines = [
        dataclasses.replace(
            line, files=tuple(str(file.pk) for part, file in files.items() if part.line == place)
        )
        for place, line in enumerate(client.history)
    ]
    own = tuple(str(file.pk) for part, file in files.items() if part.line is None)
    return dataclasses.replace(client, history=tuple(lines), own_files=own)


def place_of(user: User, model: str) -> Room | Agent:
    """Return the room or agent with this model name. Raises `not_found`, also for those of other users."""
    try:
        if model.startswith(ROOM):
            return access_room_by_name(user, model.removeprefix(ROOM))
        if model.startswith(AGENT):
            return access_agent_by_key(user, model.removeprefix(AGENT))
    except NotFound:
        pass
    raise PantheonError(
        "not_found",
        "Model not found. GET /v1/models lists your rooms and agents.",
        {"parameter": "model"},
    )
