"""The address and the key of a model: read from the environment at every call, stored nowhere else."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from orchestration.engine.specs import ModelSpec
from orchestration.gateway.kinds import KINDS

NO_KEY = "no-key-needed"
"""Sent to servers that need no key, since the SDKs require one."""

KEY_NAME = re.compile(
    r"\A(?!(?:AWS|DATABASE|DJANGO|EMAIL|PANTHEON|POSTGRES|REDIS|SECRET)_)[A-Z][A-Z0-9_]*_API_KEY\Z"
)
"""Variables that may be sent to a provider as its key. Otherwise anyone who edits a provider could read any."""

KEY_NAME_RULE = (
    "Use a variable that ends in _API_KEY, such as OPENROUTER_API_KEY, and isn't one of Pantheon's own."
)

SECRET_PATTERN = re.compile(
    "|".join(
        [r"(?i)bearer\s+[^\s\"',}]+", *(rf"\b{kind.secrets}" for kind in KINDS.values() if kind.secrets)]
    )
)
"""Patterns of keys in foreign text."""


class NotConfigured(Exception):
    """A model cannot be called with the current settings; the message names the setting to change."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A server and its key."""

    kind: str
    base_url: str
    key: str = field(repr=False)


def resolve(model: ModelSpec) -> Endpoint:
    """Return the address and the key of this model. Raises NotConfigured if a setting is missing or unusable."""
    return Endpoint(model.kind, base_url_of(model), key_of(model))


def may_think_in_text(model: ModelSpec) -> bool:
    """Return whether the model's server may leave thoughts in the text, so that they are seen by their tags only."""
    kind = KINDS.get(model.kind)
    if kind is None or not kind.thinks_in_text:
        return False
    try:
        return base_url_of(model) != kind.base_url
    except NotConfigured:
        return False


def is_key_name(name: str) -> bool:
    """Return whether a variable may hold a provider's key."""
    return KEY_NAME.match(name) is not None


def key_of(model: ModelSpec) -> str:
    """Return the key from the variable, or from the file that `<variable>_FILE` names."""
    if not model.key_env:
        return NO_KEY
    if not is_key_name(
        model.key_env
    ):  # a row or snapshot older than the rule, or one written without the forms
        raise NotConfigured(
            f"The provider {model.provider} cannot have its key in {model.key_env}. {KEY_NAME_RULE}"
        )
    key = (os.environ.get(model.key_env) or _read_file(model)).strip()
    if not key:
        raise NotConfigured(f"The provider {model.provider} has no key: set {model.key_env}.")
    if not (key.isascii() and key.isprintable() and " " not in key):
        raise NotConfigured(f"The key in {model.key_env} has characters that no key has: set it again.")
    return key


def base_url_of(model: ModelSpec) -> str:
    """Return the base URL: the catalogue's, else the variable's, else the SDK's default."""
    if model.kind not in KINDS:
        raise NotConfigured(f"Unknown provider kind {model.kind}.")
    from_variable = os.environ.get(model.base_url_env, "") if model.base_url_env else ""
    url = (model.base_url or from_variable).strip() or KINDS[model.kind].base_url
    setting = "its base URL in the catalogue" if model.base_url else model.base_url_env or "its base URL"
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable or not url.isprintable():
        raise NotConfigured(f"The provider {model.provider} has no usable address: check {setting}.")
    return url


def redact(text: str, key: str) -> str:
    """Remove the key, and anything that looks like a key, from a text."""
    if key and key != NO_KEY:
        text = text.replace(key, "[key]")
    return SECRET_PATTERN.sub("[key]", text)


def _read_file(model: ModelSpec) -> str:
    path = os.environ.get(f"{model.key_env}_FILE")
    if not path:
        return ""
    try:
        return Path(path).read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise NotConfigured(f"The file that {model.key_env}_FILE names cannot be read.") from error
