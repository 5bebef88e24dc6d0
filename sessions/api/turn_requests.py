"""Parse turn requests (body, Idempotency-Key, user and token) and accept each of them once."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from typing import Any

from rest_framework import serializers
from rest_framework.request import Request

from accounts.access import signed_in
from accounts.models import ApiToken
from sessions.api.fields import AskedModeField, FilesField
from sessions.api.open_streams import check_streams
from sessions.models import Message, Turn
from sessions.services.accept_once import AcceptedTurn, accept_once
from web.errors import ValidationFailed

MAX_KEY_CHARS = 255

OPTIONS = ("stream", "background")
"""Fields that only select the form of the response."""


def not_blank(text: str) -> None:
    """Reject text that is only whitespace."""
    if not text.strip():
        raise serializers.ValidationError("Write a message.")


class AnswerOptions(serializers.Serializer[Any]):
    """The requested form of the response."""

    stream = serializers.BooleanField(default=False, help_text="Respond with a stream of events.")
    background = serializers.BooleanField(
        default=False, help_text="Respond at once, without waiting for the answers."
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if attrs["stream"] and attrs["background"]:
            raise serializers.ValidationError({"background": "Choose stream or background, not both."})
        return attrs


class TurnRequestSerializer(AnswerOptions):
    message = serializers.CharField(
        max_length=Message.MAX_CHARS,
        trim_whitespace=False,
        validators=[not_blank],
        help_text="The user's message. Mentions (`@handle`, `@all`) select who answers.",
    )
    mode = AskedModeField(
        required=False,
        allow_null=True,
        help_text="Mode of this turn; null: the room's. A session with one agent only has `direct`.",
    )
    max_rounds = serializers.IntegerField(
        min_value=1,
        max_value=3,
        required=False,
        allow_null=True,
        help_text="Maximum rounds before the manager's conclusion; null: the room's.",
    )
    index = serializers.IntegerField(
        min_value=1,
        max_value=2**31 - 1,
        required=False,
        allow_null=True,
        help_text="Expected index of the turn; 409 if it would get another one.",
    )
    files = FilesField(help_text="Ids of the files to attach, in order.")


def accept_posted(
    request: Request,
    body: type[serializers.Serializer[Any]],
    make: Callable[..., Turn],
    *,
    options: type[serializers.Serializer[Any]] = AnswerOptions,
) -> tuple[AcceptedTurn, dict[str, Any]]:
    """Accept a turn request once; return its turn and the options of its response.

    `make` accepts the turn: it gets `user`, `token`, `idempotency_key`, `digest` and the fields of the body. `options`:
    the fields that only select the form of the response. Nothing else of a repeated request is read.
    """
    user, key, digest = signed_in(request), idempotency_key(request), request_digest(request)
    wanted: dict[str, Any] = {}

    def read_and_make() -> Turn:
        fields = fields_of(request, body)
        wanted.update((name, fields.pop(name)) for name in OPTIONS if name in fields)
        if wanted.get("stream"):
            check_streams(user.pk)
        return make(user=user, token=token_of(request), idempotency_key=key, digest=digest, **fields)

    accepted = accept_once(user=user, key=key, digest=digest, make=read_and_make)
    chosen = wanted or fields_of(request, options)
    if accepted.replayed and chosen.get("stream"):
        check_streams(user.pk)
    return accepted, chosen


def fields_of(request: Request, body: type[serializers.Serializer[Any]]) -> dict[str, Any]:
    """Validate the request's body and return its fields. Raises ValidationError."""
    data = body(data=request.data)
    data.is_valid(raise_exception=True)
    return dict(data.validated_data)


def token_of(request: Request) -> ApiToken | None:
    """Return the request's API token, None for a browser session."""
    return request.auth if isinstance(request.auth, ApiToken) else None


def idempotency_key(request: Request) -> str | None:
    key = request.headers.get("Idempotency-Key")
    if key is not None and (not key.strip() or len(key) > MAX_KEY_CHARS or not key.isprintable()):
        raise ValidationFailed({"Idempotency-Key": [f"1 to {MAX_KEY_CHARS} printable characters."]})
    return key


def request_digest(request: Request) -> str:
    """Return the SHA-256 of a request's path and body, independent of the order of keys."""
    text = f"{request.path}\n{json.dumps(request.data, sort_keys=True)}"
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
