"""The content of images while requests are sent: read when needed, and bounded for all calls of a process together."""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque
from collections.abc import AsyncGenerator, Callable, Iterable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Protocol

from orchestration.engine.specs import FileSpec, ModelRequest

COPIES = 3
"""Of an image's Base64 while its request is sent: the text, the JSON, and the body."""
MOST_SENDING_BYTES = 256 * 1024 * 1024
SMALL_PART = 16
"""A request that takes at most this part of the memory is small: one image of any size, or some smaller ones."""
PART_FOR_SMALL = 4
"""The part of the memory for small requests alone: they never wait for large ones, whose servers may be slow."""
MOST_KEPT_CHARS = 64 * 1024 * 1024
"""Images kept for further calls: the agents of a turn are sent the same."""
WAIT_S = 60.0
"""How long a request waits until others have been sent."""


class ImageMissing(Exception):
    """The content of an image cannot be read. The message is for the user."""


class TooManyImages(Exception):
    """Other requests with images took too long to be sent."""


class ImageSource(Protocol):
    """Where the gateway gets the content of images."""

    def reading(self, images: Iterable[FileSpec]) -> AbstractAsyncContextManager[dict[str, str]]:
        """Return id -> content in Base64, emptied at the end. Raises ImageMissing and TooManyImages."""
        ...


def images_of(request: ModelRequest) -> list[FileSpec]:
    """Return the images of a request, each once."""
    if not request.model.takes_images:
        return []
    return list({image.id: image for message in request.messages for _, image in message.images}.values())


class NoImages:
    """The source of a gateway that is given none."""

    @asynccontextmanager
    async def reading(self, images: Iterable[FileSpec]) -> AsyncGenerator[dict[str, str], None]:
        for image in images:
            raise ImageMissing(f"The image {image.name} cannot be read.")
        yield {}


class ImageContents:
    """Reads images in threads. Use it from one event loop only."""

    def __init__(
        self, read: Callable[[FileSpec], str], *, most_sending_bytes: int = MOST_SENDING_BYTES
    ) -> None:
        """`read` returns an image in Base64, or raises ImageMissing; it is called in a thread."""
        self._read = read
        self._most_small = most_sending_bytes // SMALL_PART
        for_small = most_sending_bytes // PART_FOR_SMALL
        self._small = SendingBytes(for_small)
        self._large = SendingBytes(most_sending_bytes - for_small)
        self._kept: OrderedDict[str, str] = OrderedDict()
        self._kept_chars = 0
        self._reading: dict[str, asyncio.Task[str]] = {}

    @asynccontextmanager
    async def reading(self, images: Iterable[FileSpec]) -> AsyncGenerator[dict[str, str], None]:
        """See ImageSource."""
        wanted = list(images)
        size = sum(COPIES * -(-image.bytes * 4 // 3) for image in wanted)
        memory = self._small if size <= self._most_small else self._large
        size = memory.clipped(size)
        try:
            async with asyncio.timeout(WAIT_S):
                await memory.take(size)
        except TimeoutError as error:
            raise TooManyImages from error
        contents: dict[str, str] = {}
        try:
            for image in wanted:
                contents[image.id] = await self._content(image)
            yield contents
        finally:
            contents.clear()
            memory.give_back(size)

    async def _content(self, image: FileSpec) -> str:
        """Return an image in Base64: kept, being read for another call, or read now."""
        key = image.content or image.id
        if key in self._kept:
            self._kept.move_to_end(key)
            return self._kept[key]
        if (task := self._reading.get(key)) is None:
            task = self._reading[key] = asyncio.create_task(asyncio.to_thread(self._read, image))
            task.add_done_callback(lambda done: self._end(key, done))
        # Shielded: another call may wait for it, too.
        return await asyncio.shield(task)

    def _end(self, key: str, task: asyncio.Task[str]) -> None:
        del self._reading[key]
        if task.cancelled() or task.exception() is not None:
            return
        self._kept[key] = task.result()
        self._kept_chars += len(task.result())
        while self._kept_chars > MOST_KEPT_CHARS:
            _, dropped = self._kept.popitem(last=False)
            self._kept_chars -= len(dropped)


class SendingBytes:
    """An amount of memory that calls share, in the order in which they ask."""

    def __init__(self, size: int) -> None:
        self._size = self._left = size
        self._waiting: deque[tuple[int, asyncio.Future[None]]] = deque()

    def clipped(self, size: int) -> int:
        """Return a size that fits: a larger one takes all of it, alone."""
        return min(size, self._size)

    async def take(self, size: int) -> None:
        if not self._waiting and size <= self._left:
            self._left -= size
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((size, turn))
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self.give_back(size)
            else:
                self._waiting.remove((size, turn))
                self._wake()
            raise

    def give_back(self, size: int) -> None:
        self._left += size
        self._wake()

    def _wake(self) -> None:
        while self._waiting and self._waiting[0][0] <= self._left:
            size, turn = self._waiting.popleft()
            self._left -= size
            turn.set_result(None)
