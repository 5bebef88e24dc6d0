"""Files in the engine's types: the texts that may fit into a prompt are loaded, of others only the beginning."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace

from django.db.models.functions import Substr

from orchestration.engine.context import window_of
from orchestration.engine.files import EXCERPT_TOKENS
from orchestration.engine.specs import FileSpec, HistoryMessage, ModelSpec
from orchestration.engine.tokens import BYTES_PER_TOKEN
from sessions.models import File, MessageFile

EXCERPT_CHARS = EXCERPT_TOKENS * BYTES_PER_TOKEN


def files_by_seq(
    session_id: uuid.UUID, *, seqs: Collection[int], models: Iterable[ModelSpec], own_seq: int | None = None
) -> dict[int, tuple[FileSpec, ...]]:
    """Return seq -> the files that this message brought, for messages with files: at most three queries.

    Of the newest files, those texts are loaded that fit into the largest window of `models`; all of the message
    `own_seq`. Deleted files stay in the messages that brought them.
    """
    wanted = {*seqs} if own_seq is None else {*seqs, own_seq}
    if not wanted:
        return {}
    brought = (
        MessageFile.objects.filter(
            message__session_id=session_id, message__seq__gte=min(wanted), message__seq__lte=max(wanted)
        )
        .order_by("message__seq", "position")
        .values_list("message__seq", "file_id")
    )
    places = [(seq, file_id) for seq, file_id in brought if seq in wanted]
    if not places:
        return {}
    rows = File.objects.in_bulk({file_id for _, file_id in places})
    files = [(seq, file_spec(rows[file_id])) for seq, file_id in places]
    own = [file for seq, file in files if seq == own_seq]
    older = [file for seq, file in files if seq != own_seq]
    texts = texts_of([*own, *newest_that_fit(older, models, taken=sum(file.tokens for file in own))])
    beginnings = beginnings_of(file for file in older if file.id not in texts)
    found: dict[int, tuple[FileSpec, ...]] = {}
    for seq, file in files:
        loaded = with_text(file, texts, beginnings)
        found[seq] = (*found.get(seq, ()), loaded)
    return found


def newest_that_fit(files: Sequence[FileSpec], models: Iterable[ModelSpec], *, taken: int) -> list[FileSpec]:
    """Return the newest files that fit together into any of these models' windows, beside `taken` tokens."""
    left = max((window_of(model).window / model.calibration for model in models), default=0) - taken
    fitting = []
    for file in reversed(files):
        left -= file.tokens
        if left < 0:
            break
        fitting.append(file)
    return fitting


def file_spec(file: File) -> FileSpec:
    """Return a file without its text."""
    return FileSpec(
        id=str(file.pk),
        name=file.name,
        kind="image" if file.kind == File.Kind.IMAGE else "text",
        media_type=file.media_type,
        bytes=file.bytes,
        pages=file.pages,
        width=file.width,
        height=file.height,
        tokens=file.tokens,
        content=file.sha256,
    )


def short_specs(files: Iterable[File]) -> tuple[FileSpec, ...]:
    """Return files with the texts that are no longer than an excerpt: one query, if there are any."""
    specs = [file_spec(file) for file in files]
    return with_whole_texts(specs, [spec for spec in specs if spec.tokens <= EXCERPT_TOKENS])


def with_whole_texts(files: Iterable[FileSpec], wanted: Iterable[FileSpec]) -> tuple[FileSpec, ...]:
    """Return files, those of `wanted` with their texts: one query, if any is not loaded yet."""
    texts = texts_of(file for file in wanted if file.text is None)
    return tuple(with_text(file, texts) if file.id in texts else file for file in files)


def texts_of(files: Iterable[FileSpec]) -> dict[str, str]:
    """Return id -> the whole text, for files with text."""
    ids = {file.id for file in files if file.kind == "text"}
    if not ids:
        return {}
    rows = File.objects.filter(pk__in=ids).values_list("pk", "text")
    return {str(pk): text for pk, text in rows}


def beginnings_of(files: Iterable[FileSpec]) -> dict[str, str]:
    """Return id -> the beginning of the text."""
    ids = {file.id for file in files if file.kind == "text"}
    if not ids:
        return {}
    rows = File.objects.filter(pk__in=ids).annotate(beginning=Substr("text", 1, EXCERPT_CHARS))
    return {str(pk): text for pk, text in rows.values_list("pk", "beginning")}


def with_text(
    file: FileSpec, texts: Mapping[str, str], beginnings: Mapping[str, str] | None = None
) -> FileSpec:
    return replace(file, text=texts.get(file.id), excerpt=(beginnings or {}).get(file.id, ""))


def with_files(
    lines: Iterable[HistoryMessage], files: Mapping[int, tuple[FileSpec, ...]]
) -> tuple[HistoryMessage, ...]:
    """Return messages with the files that they brought."""
    if not files:
        return tuple(lines)
    return tuple(replace(line, files=files[line.seq]) if line.seq in files else line for line in lines)
