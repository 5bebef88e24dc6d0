"""Convert an uploaded file in a child process. Nothing of a file's content is decoded in this one."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any, BinaryIO

from sessions.files.converter.results import MAX_TEXT_BYTES, Converted
from web.errors import PantheonError

log = logging.getLogger(__name__)

ROOT = Path(__file__).resolve().parent.parent.parent
"""The directory that the child imports our packages from."""

PROGRAM = ("-m", "sessions.files.converter")
TIME_S = 30.0
MAX_HEAD_BYTES = 4096
MAX_BODY_BYTES = 20 * 1024 * 1024
"""Maximum of an image that the child writes: 2,048 x 2,048 pixels without any compression have less."""
PIECE_BYTES = 64 * 1024

UNSUPPORTED, UNREADABLE = "unsupported_file", "file_unreadable"

REFUSALS = {
    "empty": (UNSUPPORTED, "The file is empty. Attach one with content."),
    "type": (
        UNSUPPORTED,
        "This type of file isn't supported. Attach a PDF, Word, Excel, PowerPoint, EPUB, HTML or text file, or a PNG, "
        "JPEG, WebP or GIF image.",
    ),
    "scanned": (
        UNSUPPORTED,
        "The PDF has no text, only images of its pages. Run text recognition (OCR) on it, or attach pages as images.",
    ),
    "no_text": (UNSUPPORTED, "The document has no text. Attach its pages as images."),
    "damaged": (
        UNREADABLE,
        "The file is damaged or can't be read safely. Save it again in the application it comes from, and attach the "
        "new copy.",
    ),
    "encrypted": (
        UNREADABLE,
        "The file is protected by a password. Remove the password and attach it again.",
    ),
    "too_long": (UNREADABLE, "The file has more than 2 MiB of text. Split it and attach the parts."),
    "too_large": (UNREADABLE, "Reading the file takes too much memory. Split it and attach the parts."),
    "too_slow": (UNREADABLE, "Reading the file takes too long. Split it and attach the parts."),
    "image_memory": (
        UNREADABLE,
        "Reading the image takes too much memory. Scale it down and attach it again.",
    ),
    "pixels": (UNREADABLE, "The image has more than 64 million pixels. Scale it down and attach it again."),
}
"""Reason for which a file is refused -> the error's code and sentence."""


_running: set[subprocess.Popen[bytes]] = set()
_given_up: set[subprocess.Popen[bytes]] = set()
"""Those of `_running` that were killed because this process stops."""
_running_lock = threading.Lock()


def refusal(reason: str) -> PantheonError:
    code, sentence = REFUSALS[reason]
    return PantheonError(code, sentence, {"reason": reason})


def restarting() -> PantheonError:
    message = "The server is restarting. Attach the file again in a moment."
    return PantheonError("unavailable", message, headers={"Retry-After": "5"})


def convert(content: BinaryIO, *, time_s: float = TIME_S) -> Converted:
    """Return a file as agents get it. Blocks for up to `time_s`.

    `content`: an open file of the operating system; the child reads it from its beginning. Raises `unsupported_file`
    and `file_unreadable`.
    """
    content.seek(0)
    directory = tempfile.mkdtemp(prefix="pantheon-file-")
    try:
        process = child_start(content, directory)
        with _running_lock:
            _running.add(process)
        try:
            return result_of(process, time_s)
        finally:
            child_end(process)
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def child_start(
    content: BinaryIO, directory: str, program: Sequence[str] = PROGRAM
) -> subprocess.Popen[bytes]:
    """Start the converter with nothing of ours: no variable of this process, no open file, an empty directory."""
    environment = {"PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1", "LC_ALL": "C.UTF-8"}
    environment |= {"HOME": directory, "TMPDIR": directory}
    if root := os.environ.get("SYSTEMROOT"):  # Python on Windows does not start without it
        environment["SYSTEMROOT"] = root
    return subprocess.Popen(  # noqa: S603  (the program is ours; the file is its input)
        # -P: the working directory is not searched for modules.
        [sys.executable, "-P", *program],
        stdin=content,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,  # libraries quote what they cannot read
        cwd=directory,
        env=environment,
        start_new_session=True,
    )


def child_end(process: subprocess.Popen[bytes]) -> None:
    """Kill the child and all it may have started, whether it has ended or not."""
    with _running_lock:
        _running.discard(process)
        _given_up.discard(process)
        group_kill(process)  # before `wait`: until then its number is not given to another
    process.wait()
    assert process.stdout is not None
    process.stdout.close()


def children_end() -> None:
    """Kill all children, so that a process that stops does not wait for them. Their conversions raise `unavailable`."""
    with _running_lock:
        for process in _running:
            _given_up.add(process)
            group_kill(process)


def group_kill(process: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


def result_of(process: subprocess.Popen[bytes], time_s: float) -> Converted:
    """Read what the child writes, within limits. Raises like `convert`."""
    output = output_of(process, time_s)
    if process in _given_up:
        raise restarting()
    if output is None:
        raise refusal("too_slow")
    head_line, _, body = output.partition(b"\n")
    try:
        head: dict[str, Any] = json.loads(head_line[:MAX_HEAD_BYTES])
        if reason := head.get("refused"):
            raise refusal(reason)
        return converted_of(head, body)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        # It ended at a limit or by a library's fault, and could not say why.
        log.info("a converter ended without a result")
        raise refusal("damaged") from error


def output_of(process: subprocess.Popen[bytes], time_s: float) -> bytes | None:
    """Return all that the child writes, up to the limit; None if it takes too long."""
    assert process.stdout is not None
    ends_s = time.monotonic() + time_s
    pieces: list[bytes] = []
    size = 0
    while (left_s := ends_s - time.monotonic()) > 0:
        if not is_readable(process.stdout, left_s):
            break
        piece = os.read(process.stdout.fileno(), PIECE_BYTES)
        size += len(piece)
        if not piece or size > MAX_HEAD_BYTES + MAX_BODY_BYTES:
            return b"".join(pieces)
        pieces.append(piece)
    return None


def is_readable(pipe: IO[bytes], timeout_s: float) -> bool:
    poll = select.poll()  # not select(), which knows no descriptors above 1,024
    poll.register(pipe.fileno(), select.POLLIN | select.POLLHUP)
    return bool(poll.poll(timeout_s * 1000))


def converted_of(head: dict[str, Any], body: bytes) -> Converted:
    """Check and return what the child wrote. Raises KeyError, TypeError, ValueError."""
    is_image = bool(head["is_image"])
    if len(body) != int(head["bytes"]) or not body or (not is_image and len(body) > MAX_TEXT_BYTES):
        raise ValueError("incomplete")
    pages, width, height = (optional_number(head[name]) for name in ("pages", "width", "height"))
    return Converted(
        str(head["media_type"])[:100],
        text="" if is_image else body.decode(),
        image=body if is_image else b"",
        pages=pages,
        width=width,
        height=height,
    )


def optional_number(value: Any) -> int | None:
    return None if value is None else int(value)
